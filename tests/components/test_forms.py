"""Forms ask for what their fields say; the values a browser may send, whatever they are."""

from __future__ import annotations

import pytest
from dash import no_update
from hypothesis import given

from components import load_form, query, server_form
from components.callback_requests import VALUES
from servescope.actions.listeners import ListenerRequest, NewListenerRequest, read
from servescope.actions.load_runs import LoadRunRequest
from servescope.errors import ListenerError, ListenerRefusedError
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerOverrides,
    ListenerState,
    ListenerStatus,
)
from servescope.records.load import LoadPlan
from servescope.scenarios.scenario_file import from_toml
from tests.actions.field_values import FIELDS

STATUS = ListenerStatus(
    name="wsgi", state=ListenerState.RUNNING, address="127.0.0.1", port=5555,
    model=ConcurrencyModel.THREAD_POOL, app="servescope.demo.flask_app:app", wanted_port=5555,
    message="", since_s=0.0, app_kind=AppKind.WSGI,
    options=ListenerOptions(deny=("10.0.0.0/8", "::1")),
)  # fmt: skip


@given(value=FIELDS)
def test_these_are_the_values_a_field_can_have(value):
    assert VALUES["value"](value)


def test_a_load_run_is_what_the_fields_say_in_their_order():
    told = {
        "load-listener": "wsgi", "load-target": "/x", "load-rate": 200, "load-seconds": "abc",
        "load-kind": "spike", "load-peak-at": 3, "load-keep-alive": False, "load-file": "a",
        "load-rules": "max < 1 s", "load-auto-stop": True,
        "load-mix": {"rows": [{"method": "PUT"}]},
    }  # fmt: skip
    request = load_form.request(*(told.get(state.component_id) for state in load_form.STATES))
    schedule = dict.fromkeys(load_form.SCHEDULE.values()) | {"kind": "spike", "peak_at": 3}
    assert request == LoadRunRequest(
        *("wsgi", "/x", 200, "abc", schedule, ({"method": "PUT"},)),
        keep_alive=False,
        rules="max < 1 s",
        auto_stop=True,
        file="a",
    )
    names = [field.partition("-")[2] for field in load_form.FIELDS]
    assert names == list(LoadRunRequest.__slots__)[: len(names)]


@pytest.mark.parametrize("mix", [None, {}, {"rows": 5}, {"rows": []}, {"rows": ["a"]}])
def test_a_mix_of_another_shape_is_none(mix):
    values = (mix if state.component_id == "load-mix" else None for state in load_form.STATES)
    assert load_form.request(*values).requests == ()


def test_the_fields_become_a_file_or_a_refusal():
    text, answer, _ = load_form.as_file(LoadRunRequest("wsgi", "/x", 200, 30))
    assert from_toml(text).scenario == LoadPlan.constant("wsgi", "/x", 200, 30).scenario
    assert answer == "The scenario file has what the fields say; Start sends what it says."
    text, *refusal = load_form.as_file(LoadRunRequest("wsgi", "/x", "", 30))
    assert text is no_update
    assert refusal == ["Fill in a number of requests per second.", "answer refused"]


def test_hosts_that_the_operator_named_stand_beside_the_listeners():
    assert load_form.aims(["wsgi"]) == ["wsgi"]
    assert load_form.aims(["wsgi"], ["shop"]) == [
        {"group": "Listeners", "items": ["wsgi"]},
        {"group": load_form.RECORDED_APPS, "items": ["shop"]},
    ]
    assert load_form.aims(["wsgi"], (), ["http://a"]) == [
        {"group": "Listeners", "items": ["wsgi"]},
        {"group": "Named hosts", "items": ["http://a"]},
    ]


def test_a_listener_is_what_the_fields_say_in_their_order():
    assert (*server_form.NAMES, "access_log") == ListenerRequest.__slots__
    assert [field.partition("-")[2] for field in server_form.FIELDS] == list(server_form.NAMES)
    assert NewListenerRequest.__slots__ == server_form.NEW_NAMES


def test_fields_that_show_a_listener_ask_for_nothing():
    request = server_form.request(*server_form.field_values(STATUS), False)
    assert read(STATUS, request, lambda _app: "") == ListenerOverrides()


def test_an_error_is_shown_beside_its_fields_or_below_the_form():
    beside = ListenerRefusedError.of_fields({"port": "No.", "app": "Not this one."})
    assert server_form.errors(beside, server_form.NEW_NAMES, "Nothing was added") == [
        "Nothing was added: App and Port cannot be as typed.", "", "Not this one.", "No.",
    ]  # fmt: skip
    below = ListenerError("it cannot be")
    assert server_form.errors(below, server_form.NEW_NAMES) == ["It cannot be.", "", "", ""]


@given(value=FIELDS)
def test_a_parameter_of_an_address(value):
    assert len(query.first(value)) <= query.LONGEST_VALUE


@pytest.mark.parametrize(
    ("value", "text"),
    [("wsgi", "wsgi"), (["a", "b"], "a"), ([], ""), (5, ""), (None, ""), ("x" * 999, "x" * 200)],
)
def test_a_parameter_that_is_given_twice_is_the_first(value, text):
    assert query.first(value) == text
