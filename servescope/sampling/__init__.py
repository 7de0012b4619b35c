"""Readings of the host and its sockets, taken each second."""
