"""Processes that serve at an inherited socket, and how they talk with the one that starts them."""
