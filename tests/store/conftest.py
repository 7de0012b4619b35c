"""A store in a folder of its own."""

import pytest

from servescope.store.sqlite.store import open_store


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()
