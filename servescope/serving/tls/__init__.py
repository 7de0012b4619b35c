"""Certificates of listeners, and how a renewed one takes the place of an old one."""
