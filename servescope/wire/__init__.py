"""Sans-IO protocols: bytes in, events out; no socket, clock or thread."""
