"""The stores that the contract is run over: all of `REGISTRY`."""

import importlib

import pytest

from servescope.store import REGISTRY


@pytest.fixture(params=sorted(REGISTRY))
def open_backend(request, tmp_path):
    module, name = REGISTRY[request.param].split(":")
    opened = []

    def open_one():
        opened.append(getattr(importlib.import_module(module), name)(tmp_path / "data", 64))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_backend):
    return open_backend()
