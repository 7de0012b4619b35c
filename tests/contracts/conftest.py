"""What the contracts are run over: all stores and all concurrency models."""

import importlib

import pytest

from servescope.store import REGISTRY
from tests.contracts.hall import CONCURRENT, HOSTINGS, Hall


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


@pytest.fixture(params=HOSTINGS, ids="-".join)
def hall(request, tmp_path):
    hall = Hall(tmp_path, *request.param)
    yield hall
    hall.close()


@pytest.fixture(params=CONCURRENT, ids="-".join)
def concurrent_hall(request, tmp_path):
    hall = Hall(tmp_path, *request.param)
    yield hall
    hall.close()
