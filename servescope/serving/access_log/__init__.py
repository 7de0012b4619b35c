"""The access log of a listener: its lines, its file, its writer."""
