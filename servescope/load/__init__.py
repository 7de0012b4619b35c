"""The load generator: an open model in a process of its own, and its supervision."""
