"""What the settings say and what people changed make one listener."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.server_form import field_values, merged, read, read_new
from servescope.records import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerOverrides,
    ListenerState,
    ListenerStatus,
)
from servescope.runtime.listener_config import faults, new_faults, wanted_listeners, wished
from servescope.settings import Settings


@pytest.fixture
def spec(tmp_path):
    return wanted_listeners(Settings(data_dir=tmp_path, allow="127.0.0.0/8", threads=3))[1]


def status(kind=AppKind.WSGI, **options):
    return ListenerStatus(
        "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:b", 5555,
        app_kind=kind, options=ListenerOptions(**options),
    )  # fmt: skip


def test_no_wish_leaves_the_settings(spec, tmp_path):
    assert wished(spec, ListenerOverrides(restarts=7), tmp_path) == spec
    assert spec.options.allow == ("127.0.0.0/8",)


def test_what_is_wished_wins(spec, tmp_path):
    wish = ListenerOverrides(
        port=9000, model=ConcurrencyModel.PREFORK, workers=4, deny=("::1",), access_log=True
    )
    got = wished(spec, wish, tmp_path)
    assert (got.port, got.port_is_default, got.model) == (9000, False, ConcurrencyModel.PREFORK)
    assert (got.options.threads, got.options.workers) == (3, 4)
    assert (got.options.deny, got.options.allow) == (("::1",), ("127.0.0.0/8",))
    assert got.options.access_log == str(tmp_path / "wsgi.log")


def test_a_log_of_the_settings_keeps_its_place_and_can_be_switched_off(tmp_path):
    settings = Settings(data_dir=tmp_path, access_log=tmp_path / "there")
    spec = wanted_listeners(settings)[1]
    assert spec.options.access_log == str(tmp_path / "there" / "wsgi.log")
    assert wished(spec, ListenerOverrides(access_log=True), tmp_path) == spec
    assert wished(spec, ListenerOverrides(access_log=False), tmp_path).options.access_log == ""


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        (ListenerOverrides(), []),
        (ListenerOverrides(port=0), []),
        (ListenerOverrides(port=-1, threads=0, workers=65), ["port", "threads", "workers"]),
        (ListenerOverrides(deny=("10.0.0.0/8", "x")), ["deny"]),
        (ListenerOverrides(model=ConcurrencyModel.SEQUENTIAL), []),
    ],
)
def test_faults_are_found_by_field(wish, fields):
    assert sorted(faults(status(), wish)) == sorted(fields)


def test_an_asgi_app_stays_on_a_loop():
    wish = ListenerOverrides(model=ConcurrencyModel.THREAD_POOL)
    assert list(faults(status(AppKind.ASGI), wish)) == ["model"]
    assert faults(status(AppKind.ASGI), ListenerOverrides(model=ConcurrencyModel.ASYNCIO)) == {}


def test_fields_that_show_what_is_ask_for_nothing():
    told = status(deny=("::1",), access_log="/x")
    assert read(told, field_values(told), log=True) == (ListenerOverrides(), {})


def test_a_form_asks_for_what_was_changed_and_keeps_the_rest():
    values = [9000, "prefork", 8, 2, " 10.0.0.0/8 ,, ::1", "", " c:d "]
    wish, found = read(status(), values, log=True)
    assert found == {}
    assert wish == ListenerOverrides(
        port=9000, model=ConcurrencyModel.PREFORK, deny=("10.0.0.0/8", "::1"), access_log=True,
        app="c:d",
    )  # fmt: skip
    before = ListenerOverrides(runs=False, restarts=2, threads=5, port=1234)
    after = merged(before, wish)
    assert (after.runs, after.restarts, after.threads, after.port) == (False, 2, 5, 9000)


def test_what_says_nothing_is_found():
    wish, found = read(status(), ["", "fibres", "x", 1.5, "", "", "a:b"], log=False)
    assert wish == ListenerOverrides()
    assert sorted(found) == ["model", "port", "threads", "workers"]


def test_an_app_that_could_not_be_is_wished_for_no_longer_once_another_field_changes():
    before = ListenerOverrides(app="broken:app", threads=5)
    after = merged(before, ListenerOverrides(workers=3), status())
    assert (after.app, after.threads, after.workers) == ("a:b", 5, 3)
    assert merged(before, ListenerOverrides(app="c:d"), status()).app == "c:d"


def test_a_listener_to_add_needs_a_name_of_its_own_and_a_port():
    name, wish, found = read_new(" mine ", "a:b ", "9000", ["wsgi"])
    assert (name, found) == ("mine", {})
    assert wish == ListenerOverrides(is_added=True, app="a:b", port=9000)
    assert sorted(read_new("wsgi", "a:b", "", ["wsgi"])[2]) == ["name", "port"]
    assert sorted(read_new("../x", "a:b", 0, [])[2]) == ["name"]
    assert sorted(new_faults(replace(wish, port=70_000), "Not {}.".format)) == ["app", "port"]
