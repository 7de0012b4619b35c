"""A listener is made of the settings and of the changes that people made."""

from __future__ import annotations

import pytest

from servescope.records.listeners import ConcurrencyModel, ListenerOverrides
from servescope.runtime.listener_config import apply_overrides, configured_listeners
from servescope.settings import Settings


@pytest.fixture
def spec(tmp_path):
    return configured_listeners(Settings(data_dir=tmp_path, allow="127.0.0.0/8", threads=3))[1]


def test_no_overrides_leave_the_settings(spec, tmp_path):
    assert apply_overrides(spec, ListenerOverrides(restarts=7), tmp_path) == spec
    assert spec.options.allow == ("127.0.0.0/8",)


def test_overrides_win(spec, tmp_path):
    overrides = ListenerOverrides(
        port=9000, model=ConcurrencyModel.PREFORK, workers=4, deny=("::1",), access_log=True
    )
    got = apply_overrides(spec, overrides, tmp_path)
    assert (got.port, got.port_is_default, got.model) == (9000, False, ConcurrencyModel.PREFORK)
    assert (got.options.threads, got.options.workers) == (3, 4)
    assert (got.options.deny, got.options.allow) == (("::1",), ("127.0.0.0/8",))
    assert got.options.access_log == str(tmp_path / "wsgi.log")


def test_a_log_of_the_settings_keeps_its_place_and_can_be_switched_off(tmp_path):
    settings = Settings(data_dir=tmp_path, access_log=tmp_path / "there")
    spec = configured_listeners(settings)[1]
    assert spec.options.access_log == str(tmp_path / "there" / "wsgi.log")
    assert apply_overrides(spec, ListenerOverrides(access_log=True), tmp_path) == spec
    assert (
        apply_overrides(spec, ListenerOverrides(access_log=False), tmp_path).options.access_log
        == ""
    )
