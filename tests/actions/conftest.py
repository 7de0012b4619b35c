"""Settings of a data folder in which nothing runs."""

from __future__ import annotations

import pytest

from servescope.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("settings"))
