"""Sending a request again: only to listeners that run here, and as it was."""

from __future__ import annotations

import pytest

from servescope.actions import send_again
from servescope.actions.send_again import RequestAgain
from servescope.control import Control
from servescope.errors import CaptureRefusedError
from servescope.recording.detail_reader import DetailReader
from servescope.recording.recorder import Recorder
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
    ListenerState,
    ListenerStatus,
)
from servescope.serving import start_listener
from tests.waiting import eventually


@pytest.fixture(params=["127.0.0.1", "unix", "tls"])
def control(request, tmp_path):
    """A control table that knows of one listener, which runs."""
    address = f"unix:{tmp_path}/socket" if request.param == "unix" else "127.0.0.1"
    certificate = "self-signed" if request.param == "tls" else ""
    spec = ListenerSpec(
        "it",
        address,
        0,
        ConcurrencyModel.THREAD_POOL,
        AppKind.WSGI,
        "tests.contracts.app_for_models:app",
        options=ListenerOptions(threads=2, certificate=certificate),
    )
    recorder = Recorder(tmp_path / "rings")
    listener = start_listener(spec, recorder)
    control = Control(tmp_path)
    host, port = listener.address
    control.listeners.write_statuses(
        [
            ListenerStatus(
                *("it", ListenerState.RUNNING, host, port, "thread_pool", spec.app, port),
                is_tls=bool(certificate),
            ),
            ListenerStatus("old", ListenerState.STOPPED, "127.0.0.1", 1, "thread_pool", "a:b", 1),
        ]
    )
    yield control
    control.close()
    listener.stop(0.5)
    recorder.close()


def test_it_is_sent_as_it_was_and_found_in_the_log_by_its_trace(control, tmp_path):
    fields = [
        ("Host", "example.org"),
        ("Content-Length", "999"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("User-Agent", "größe"),
    ]
    request = RequestAgain("POST", "/echo?a=%20b", fields, b"hello", is_confirmed=True)
    answer = send_again.send(control, "it", request)
    assert (answer.status, answer.size_bytes, answer.is_cut) == (200, 5, False)
    assert answer.took_s > 0
    (path,) = (tmp_path / "rings").glob("*.detail")
    reader = DetailReader(path)
    ((detail,), _) = eventually(lambda: (found := reader.drain(0))[0] and found)
    reader.close()
    assert (detail.target, detail.user_agent) == ("/echo?a=%20b", "größe")
    assert detail.trace_id == answer.trace_id


@pytest.mark.parametrize("listener", ["old", "other", "", None, "127.0.0.1:22"])
def test_nothing_is_sent_elsewhere(control, listener):
    with pytest.raises(CaptureRefusedError, match="runs here"):
        send_again.send(control, listener, RequestAgain("GET", "/"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "MKCALENDAR"])
def test_what_may_change_something_has_to_be_confirmed(control, method):
    with pytest.raises(CaptureRefusedError, match="confirm it first"):
        send_again.send(control, "it", RequestAgain(method, "/"))


@pytest.mark.parametrize(("method", "target"), [("OTHER", ""), ("OTHER", "/"), ("GET", "")])
def test_a_request_that_was_not_recorded_is_not_sent(control, method, target):
    with pytest.raises(CaptureRefusedError, match="were not recorded"):
        send_again.send(control, "it", RequestAgain(method, target, is_confirmed=True))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_is_safe_is_sent_at_once(control, method):
    assert send_again.send(control, "it", RequestAgain(method, "/")).status == 200


@pytest.mark.parametrize("target", ["/a b", "/\r\nX: y", "/\x00"])
def test_a_target_that_is_none_is_refused(control, target):
    with pytest.raises(CaptureRefusedError, match="gave no answer"):
        send_again.send(control, "it", RequestAgain("GET", target))
