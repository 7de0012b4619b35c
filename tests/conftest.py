"""Fixtures shared by the tests that start whole processes."""

import pytest


@pytest.fixture
def start_dashboard(tmp_path):
    """Start dashboards: `start_dashboard(*command, **settings)`; they end with the test."""
    from tests.processes import Dashboards  # the floors below are tested without the floors above

    dashboards = Dashboards(tmp_path)
    yield dashboards
    dashboards.end()
