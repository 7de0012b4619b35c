"""Fixtures shared by the tests that start whole processes, and how laws are tested."""

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
