"""Changes of listeners: read, checked and written, or refused with a sentence for each field."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import listeners
from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_WSGI
from servescope.actions.listeners import (
    LISTENER_NAME,
    ListenerRequest,
    NewListenerRequest,
    read,
    read_new,
    validate,
)
from servescope.errors import ListenerError, ListenerRefusedError
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerOverrides,
    ListenerState,
    ListenerStatus,
)
from tests.actions.field_values import FIELDS
from tests.ports import free_port

AS_IT_IS = ListenerRequest(5555, "thread_pool", 8, 2, "", "", BUNDLED_WSGI, access_log=False)


def status(kind=AppKind.WSGI, name="wsgi", more=None, **options):
    return ListenerStatus(
        name, ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", BUNDLED_WSGI, 5555,
        app_kind=kind, options=ListenerOptions(**options), pid=os.getpid(), **(more or {}),
    )  # fmt: skip


def any_app(_app):
    """A rule that allows every app."""
    return ""


@pytest.fixture
def hosted(control):
    """The listeners table: one of the settings, one that was added, one of a comparison."""
    control.listeners.write_statuses(
        [
            status(),
            status(name="mine", more={"is_added": True, "is_changed": True}),
            status(name="compare-prefork", more={"is_temporary": True}),
        ]
    )
    return control.listeners


@pytest.mark.parametrize(
    ("overrides", "fields"),
    [
        (ListenerOverrides(), []),
        (ListenerOverrides(port=0), []),
        (ListenerOverrides(port=-1, threads=0, workers=65), ["port", "threads", "workers"]),
        (ListenerOverrides(deny=("10.0.0.0/8", "x")), ["deny"]),
        (ListenerOverrides(model=ConcurrencyModel.SEQUENTIAL), []),
    ],
)
def test_faults_are_found_by_field(overrides, fields):
    assert sorted(validate(status(), overrides, any_app)) == sorted(fields)


def test_an_asgi_app_stays_on_a_loop():
    on_threads = ListenerOverrides(model=ConcurrencyModel.THREAD_POOL)
    assert list(validate(status(AppKind.ASGI), on_threads, any_app)) == ["model"]
    on_loop = ListenerOverrides(model=ConcurrencyModel.ASYNCIO)
    assert validate(status(AppKind.ASGI), on_loop, any_app) == {}


def test_fields_that_show_what_is_so_ask_for_nothing():
    shown = replace(AS_IT_IS, deny="::1", access_log=True)
    assert read(status(deny=("::1",), access_log="/x"), shown, any_app) == ListenerOverrides()


def test_a_request_asks_for_what_was_changed_and_keeps_the_rest(settings, hosted):
    hosted.change_overrides(
        "wsgi", lambda _: ListenerOverrides(runs=False, restarts=2, threads=5, port=1234)
    )
    port = free_port()
    request = ListenerRequest(
        port, "prefork", 8, 2, " 10.0.0.0/8 ,, ::1", "", f" {BUNDLED_ASGI} ", access_log=True
    )
    change = listeners.change(hosted, settings, "wsgi", request)
    assert change.after == ListenerOverrides(
        runs=False, restarts=2, threads=5, port=port, model=ConcurrencyModel.PREFORK,
        deny=("10.0.0.0/8", "::1"), access_log=True, app=BUNDLED_ASGI,
    )  # fmt: skip
    assert hosted.overrides() == {"wsgi": change.after}


def test_each_field_that_says_nothing_has_its_sentence():
    request = ListenerRequest("", "fibres", "x", 1.5, "here, ::1", "", BUNDLED_WSGI, "")
    with pytest.raises(ListenerRefusedError) as caught:
        read(status(), request, any_app)
    assert caught.value.by_field == {
        "port": "Fill in a whole number.",
        "model": "Choose a model.",
        "threads": "The number of threads is a whole number, not 'x'.",
        "workers": "The number of workers is a whole number, not '1.5'.",
        "deny": "here: neither an address nor a network.",
    }
    assert all(sentence in str(caught.value) for sentence in caught.value.by_field.values())


@pytest.mark.parametrize(
    ("changes", "by_field"),
    [
        ({"port": "70000"}, {"port": "The port is between 0 and 65,535, not '70000'."}),
        ({"threads": -5}, {"threads": "The number of threads is between 1 and 256, not '-5'."}),
        ({"workers": 0}, {"workers": "The number of workers is between 1 and 64, not '0'."}),
    ],
)
def test_a_number_out_of_bounds_is_refused_and_nothing_is_written(
    settings, hosted, changes, by_field
):
    with pytest.raises(ListenerRefusedError) as caught:
        listeners.change(hosted, settings, "wsgi", replace(AS_IT_IS, **changes))
    assert caught.value.by_field == by_field
    assert hosted.overrides() == {}


def test_an_app_that_may_not_be_hosted_is_refused(settings, hosted):
    with pytest.raises(ListenerRefusedError) as caught:
        listeners.change(hosted, settings, "wsgi", replace(AS_IT_IS, app="os:system"))
    assert "SERVESCOPE_APPS=os:system" in caught.value.by_field["app"]
    with pytest.raises(ListenerRefusedError) as caught:
        listeners.add(hosted, settings, NewListenerRequest("new", "os:system", 0))
    assert "SERVESCOPE_APPS=os:system" in caught.value.by_field["app"]
    assert hosted.overrides() == {}


def test_an_app_that_could_not_be_hosted_is_dropped_once_another_field_changes(settings, hosted):
    failed = ListenerOverrides(app="broken:app", threads=5)
    hosted.change_overrides("wsgi", lambda _: failed)
    after = listeners.change(hosted, settings, "wsgi", replace(AS_IT_IS, workers=3)).after
    assert (after.app, after.threads, after.workers) == (BUNDLED_WSGI, 5, 3)
    hosted.change_overrides("wsgi", lambda _: failed)
    other_app = replace(AS_IT_IS, app=BUNDLED_ASGI)
    assert listeners.change(hosted, settings, "wsgi", other_app).after.app == BUNDLED_ASGI


@pytest.fixture
def held():
    """A port that this process listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def test_of_a_change_with_a_port_that_is_taken_nothing_is_written(settings, hosted, held):
    asked = replace(AS_IT_IS, port=held, deny="10.0.0.0/8")
    with pytest.raises(ListenerRefusedError) as caught:
        listeners.change(hosted, settings, "wsgi", asked)
    free = caught.value.free_port
    assert caught.value.by_field == {
        "port": f"Port {held} is held by this dashboard itself (pid {os.getpid()}); "
        f"the next free port is {free}."
    }
    assert hosted.overrides() == {}
    listeners.change(hosted, settings, "wsgi", replace(asked, port=free))
    assert hosted.overrides() == {"wsgi": ListenerOverrides(port=free, deny=("10.0.0.0/8",))}


def test_a_listener_is_not_added_at_a_port_that_is_taken(settings, hosted, held):
    with pytest.raises(ListenerRefusedError, match=f"Port {held} is held by") as caught:
        listeners.add(hosted, settings, NewListenerRequest("new", BUNDLED_WSGI, held))
    assert caught.value.free_port > held
    assert hosted.overrides() == {}


def test_the_outcome_of_a_change_is_the_status_of_its_revision(settings, hosted):
    change = listeners.change(hosted, settings, "wsgi", replace(AS_IT_IS, threads=3))
    assert listeners.outcome(hosted, "wsgi", change.after.revision, 0) is None
    done = status(threads=3, more={"revision": 1})
    hosted.write_statuses([replace(done, state=ListenerState.STARTING)])
    assert listeners.outcome(hosted, "wsgi", 1, 0) is None
    hosted.write_statuses([done])
    assert listeners.outcome(hosted, " wsgi ", 1, 0) == done


def test_a_removed_listener_has_ended_once_it_has_no_status(hosted):
    assert not listeners.has_ended(hosted, "mine", 0)
    hosted.write_statuses([status()])
    assert listeners.has_ended(hosted, "mine", 0)


def test_a_listener_is_added(settings, hosted):
    name, change = listeners.add(hosted, settings, NewListenerRequest(" new ", BUNDLED_WSGI, "90"))
    assert name == "new"
    assert change.after == ListenerOverrides(is_added=True, app=BUNDLED_WSGI, port=90)
    assert hosted.overrides() == {"new": change.after}


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (NewListenerRequest("wsgi", "a:b", ""), ["name", "port"]),
        (NewListenerRequest("../x", "a:b", 0), ["name"]),
        (NewListenerRequest("new", "", 70_000), ["app", "port"]),
    ],
)
def test_a_listener_to_add_needs_a_name_of_its_own_an_app_and_a_port(request_, fields):
    with pytest.raises(ListenerRefusedError) as caught:
        read_new(request_, ["wsgi"], lambda app: "" if app else "Nothing is no app.")
    assert sorted(caught.value.by_field) == fields
    assert all(sentence.endswith(".") for sentence in caught.value.by_field.values())


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a" * 41, "a\n", "é"])
def test_a_name_that_is_no_name_of_a_file(name):
    assert not LISTENER_NAME.fullmatch(name)


def test_a_listener_is_stopped_started_restarted_and_reset(hosted):
    assert not listeners.stop(hosted, "wsgi").after.runs
    assert listeners.start(hosted, "wsgi").after.runs
    listeners.stop(hosted, "wsgi")
    assert listeners.restart(hosted, "wsgi").after == ListenerOverrides(runs=True, restarts=1)
    assert listeners.reset(hosted, "wsgi").after == ListenerOverrides()
    assert hosted.overrides() == {"wsgi": ListenerOverrides()}


def test_a_listener_that_was_added_is_removed_and_one_of_the_settings_reset(hosted):
    hosted.change_overrides("mine", lambda before: replace(before, is_added=True))
    with pytest.raises(ListenerRefusedError, match="remove it instead"):
        listeners.reset(hosted, "mine")
    with pytest.raises(ListenerRefusedError, match="stop it instead"):
        listeners.remove(hosted, "wsgi")
    assert listeners.remove(hosted, "mine") == "mine"
    assert hosted.overrides() == {}


ACTIONS = {
    "remove": listeners.remove,
    "reset": listeners.reset,
    "start": listeners.start,
    "stop": listeners.stop,
    "restart": listeners.restart,
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        (None, "Choose a listener."),
        ("", "Choose a listener."),
        ("nobody", "There is no listener 'nobody' to change; known are: wsgi, mine."),
        ("compare-prefork", "There is no listener 'compare-prefork' to change"),
        (["wsgi"], "There is no listener"),
    ],
)
def test_a_name_of_no_listener_is_refused(hosted, action, name, refusal):
    with pytest.raises(ListenerRefusedError) as caught:
        ACTIONS[action](hosted, name)
    assert str(caught.value).startswith(refusal)
    assert hosted.overrides() == {}


def test_a_claimed_name_loses_its_overrides_unless_a_live_process_hosts_it(hosted):
    hosted.change_overrides("new", lambda before: replace(before, threads=3))
    listeners.claim(hosted, "new")
    assert hosted.overrides() == {}
    with pytest.raises(ListenerError, match=f"process {os.getpid()} hosts a listener wsgi"):
        listeners.claim(hosted, "wsgi")


def refused(action, *arguments):
    """The sentences by field with which an action refuses; none when it does not."""
    try:
        action(*arguments)
    except ListenerRefusedError as error:
        return error.by_field
    return {}


@given(values=st.tuples(*[FIELDS] * 7), log=st.one_of(st.none(), st.booleans()))
def test_whatever_a_browser_sends_for_a_listener_is_read_or_refused(values, log):
    sentences = refused(read, status(), ListenerRequest(*values, access_log=log), any_app)
    assert set(sentences) <= set(ListenerRequest.__slots__)
    assert all(sentence.endswith(".") for sentence in sentences.values())


@given(values=st.tuples(*[FIELDS] * 3))
def test_whatever_a_browser_sends_for_a_new_listener_is_read_or_refused(values):
    sentences = refused(read_new, NewListenerRequest(*values), ["wsgi"], any_app)
    assert set(sentences) <= {"name", "app", "port"}
    assert all(sentence.endswith(".") for sentence in sentences.values())
