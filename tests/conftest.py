"""Fixtures shared by the tests that start whole processes, and how laws are tested.

And what keeps the whole suite short: which files come first, and what the collector of garbage
passes over.
"""

import gc
import importlib
import os
import signal
from pathlib import Path

# Before anything imports numpy. Its linear algebra starts threads in each interpreter, which look
# for work for a while (see servescope.child_process): a seventh of the CPU time of tests that start
# many.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# A law holds or does not; how long a busy machine takes over an example is no part of it.
settings.register_profile("servescope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("servescope")

TESTS = Path(__file__).parent
LONG = (
    "chapters",
    "faults",
    "app",
    "contracts",
    "commands",
    "queries",
    "store",
    "collecting",
    "runtime",
    "middleware",
    "locust_load",
    "serving",
    "load",
    "sampling",
)
"""The folders whose files take seconds, the longest in front, but for the browser's."""

LONGEST = (
    "test_behind_proxy.py",
    "test_capacity_searches.py",
    "test_comparisons.py",
    "test_load_demos.py",
    "test_oracles.py",
    "test_pages.py",
    "test_path_picture.py",
    "test_situations.py",
    "test_store_contract.py",
    "test_time_bar.py",
    "test_verdicts.py",
)
"""The files of a minute or so: one that began late would run on when all else is done."""

TIMED = ("chapters", "faults", "load")
"""The folders that scripts/test runs once more, for what is marked `real_time` or `alone`."""


def pytest_configure(config):
    """Heed SIGINT, and have each worker collect another part of the tests first."""
    heed_sigint()
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and hasattr(config, "workerinput"):
        config.args = folders_of_worker(**config.workerinput)


def heed_sigint():
    """Heed SIGINT: what the tests start inherits that it is ignored.

    A shell ignores it for what it starts in the background (POSIX.1, Shell Command Language, 2.11).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def folders_of_worker(workerid, workercount, **_rest):
    """All folders of tests, and the files beside them, from another one on for each worker.

    On a fresh clone the tests are compiled while they are collected. Workers that all began with
    the same folder would each compile everything; so each finds what the others have compiled.
    """
    folders = sorted({str(TESTS / folder_of(path)) for path in TESTS.rglob("test_*.py")})
    first = len(folders) * int(workerid.removeprefix("gw")) // workercount
    return folders[first:] + folders[:first]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put long files first: workers that take a file at a time then end at the same time.

    Files that drive a Chromium, which wants a core for itself, are spread among the others.
    """
    browser, long = set(), {folder: set() for folder in LONG}
    for item in items:
        folder = folder_of(item.path)
        if folder == "browser":
            browser.add(item.path)
        elif folder in long:
            long[folder].add(item.path)
        is_timed = item.get_closest_marker("real_time") or item.get_closest_marker("alone")
        if is_timed and folder not in TIMED:
            raise pytest.UsageError(f"{item.nodeid}: scripts/test looks for its mark in {TIMED}")
    places = {}
    for files in (sorted(browser), [path for folder in LONG for path in sorted(long[folder])]):
        files.sort(key=lambda path: path.name not in LONGEST)
        places |= {path: number / len(files) for number, path in enumerate(files)}
    items.sort(key=lambda item: (places.get(item.path, 1.0), item.path))


def folder_of(path):
    """Name of the folder below tests/ that holds a file of tests, or of the file itself."""
    return path.relative_to(TESTS).parts[0]


@settings(max_examples=1, database=None)
@given(st.none())
def _have_hypothesis_register_its_random(_nothing):
    """Have its first example be over.

    It looks then for references to its source of random numbers, but not in frozen objects, which
    from Python 3.14 on all of them are: it would warn that there is none.
    """


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Have no collection of garbage walk over 13,000 tests and all that they import.

    Each worker imports and makes all of them, a quarter of which time went into collections that
    find hardly any garbage. Afterwards one takes 0.4 s, and many a test asks for it at its end to
    hear of what it left open.
    """
    _have_hypothesis_register_its_random()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def control(tmp_path):
    """The control tables of a data folder, as one process has them open."""
    from servescope.control import Control

    control = Control(tmp_path)
    yield control
    control.close()


@pytest.fixture
def start_dashboard(request, tmp_path):
    """Start dashboards: `start_dashboard(*command, **settings)`; they end with the test."""
    from tests.processes import Dashboards  # the floors below are tested without the floors above

    is_own = request.node.get_closest_marker("own_interpreter") is not None
    dashboards = Dashboards(tmp_path, has_own_interpreter=is_own)
    yield dashboards
    dashboards.end()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """A running `python app.py` with its own data folder, one for all tests of a file."""
    from tests.processes import Dashboards

    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    yield dashboards()
    dashboards.end()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The app as `app.py` builds it; the first question starts its part, the module's end stops it.

    One for the whole session: Dash hands each page's callbacks to the first app of a process only.
    """
    from servescope.settings import PREFIX, Settings

    with pytest.MonkeyPatch.context() as patch:
        for field in Settings.model_fields:
            patch.delenv(PREFIX + field.upper(), raising=False)
        patch.setenv(PREFIX + "DATA_DIR", str(tmp_path_factory.mktemp("app")))
        for port in ("FILES_PORT", "WSGI_PORT", "ASGI_PORT"):
            patch.setenv(PREFIX + port, "0")
        module = importlib.import_module("app")
    yield module.app
    module.runtime.stop()
