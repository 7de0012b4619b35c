"""The load generator: open and closed models in a process of their own, and its supervision."""
