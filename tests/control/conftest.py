"""A store in a folder of its own: what is wanted and what is lies in its file."""

from tests.store.conftest import store

__all__ = ["store"]
