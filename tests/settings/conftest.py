"""Settings are read where no variable and no file sets one."""

import pytest

from servescope.settings import PREFIX, Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
