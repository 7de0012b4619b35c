"""The subjects of the contracts: all stores, engines as real processes, and all models."""

import itertools
from contextlib import contextmanager

import pytest

from servescope.store.opening import open_backend as open_by_settings
from tests.contracts.harness import CONCURRENT, HOSTINGS, ModelHarness
from tests.engines import ENGINES, RunningEngine
from tests.prepared_children import forked_children

BACKENDS = ("sqlite", *ENGINES)
ANSWERS = {"bounds", "series", "aggregate", "mean", "quantiles", "heatmap", "total"}
_instances = itertools.count()


class Settled:
    """A backend whose writes return once they can be read: the contract's cases do not wait.

    An engine is held to the contract itself: what it is asked, it answers, and not the local file.
    """

    def __init__(self, store, engine):
        self._store = store
        self._engine = engine
        self._view = store.view(store.instance) if engine else store

    def write(self, batch, *, is_shown=True):
        """Write; what is not shown at once is with the next write."""
        self._store.write(batch)
        if self._engine is not None:
            assert self._store.wait_sent(30), self._store.notices()
            if is_shown:
                self._engine.show()
                self._store.look_anew()

    def __getattr__(self, name):
        return getattr(self._view if name in ANSWERS else self._store, name)


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """Engines by name, each started when it is first asked for."""
    running = {}

    def engine(name):
        if name not in running:
            running[name] = RunningEngine(name, tmp_path_factory.mktemp(name)).start()
        return running[name]

    yield engine
    for one in running.values():
        one.end()


@contextmanager
def backend_opener(name, folder, engines):
    """Opens the store of a folder over a backend, again and again, as a host of its own."""
    engine = engines(name) if name in ENGINES else None
    wanted = engine.setting if engine else name
    instance = f"host-{next(_instances)}"
    opened = []

    def open_one():
        store = open_by_settings(wanted, folder, 64, instance)
        opened.append(store)
        return Settled(store, engine)

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(params=BACKENDS)
def open_backend(request, tmp_path, engines):
    with backend_opener(request.param, tmp_path / "data", engines) as open_one:
        yield open_one


@pytest.fixture
def store(open_backend):
    return open_backend()


@pytest.fixture(scope="module", autouse=True)
def forked_workers():
    """Workers of the model `prefork`, of which these tests start some two hundred, are forked."""
    with forked_children():
        yield


@pytest.fixture(params=HOSTINGS, ids="-".join)
def harness(request, tmp_path):
    harness = ModelHarness(tmp_path, *request.param, getattr(request.module, "WORKERS", 1))
    yield harness
    harness.close()


@pytest.fixture(params=CONCURRENT, ids="-".join)
def concurrent_harness(request, tmp_path):
    harness = ModelHarness(tmp_path, *request.param, getattr(request.module, "WORKERS", 1))
    yield harness
    harness.close()
