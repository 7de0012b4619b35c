"""Captured requests: what is kept of one, without its secrets, and the files that keep it."""
