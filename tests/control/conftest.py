"""A store in a folder of its own: what is wanted and what is lies in its file."""

import pytest

from servescope.store.sqlite.store import open_store


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()
