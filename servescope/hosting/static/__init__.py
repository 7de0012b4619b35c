"""Hosting a folder: files, conditions, ranges, codings, listings."""
