"""Fixtures shared by the tests that start whole processes, and how laws are tested."""

import importlib

import pytest
from hypothesis import HealthCheck, settings

# A law holds or does not; how long a busy machine takes over an example is no part of it.
settings.register_profile("servescope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("servescope")


@pytest.fixture
def start_dashboard(tmp_path):
    """Start dashboards: `start_dashboard(*command, **settings)`; they end with the test."""
    from tests.processes import Dashboards  # the floors below are tested without the floors above

    dashboards = Dashboards(tmp_path)
    yield dashboards
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
