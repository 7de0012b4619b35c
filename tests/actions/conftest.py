"""Settings of a data folder, and control tables in which one listener runs."""

from __future__ import annotations

import pytest

from servescope.records.listeners import ConcurrencyModel, ListenerState, ListenerStatus
from servescope.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("settings"))


@pytest.fixture
def listening(control):
    """Control tables in which a listener `wsgi` runs."""
    status = ListenerStatus(
        "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, ConcurrencyModel.THREAD_POOL, "a:b", 5555
    )
    control.listeners.write_statuses([status])
    return control
