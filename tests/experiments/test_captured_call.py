"""A captured call: its bytes are those on the connection; what a person writes runs elsewhere."""

from __future__ import annotations

import base64
import os
from contextlib import closing

import pytest

from servescope.chapters import wsgi
from servescope.demo import programs
from servescope.errors import ServescopeError
from servescope.experiments import captured_call
from tests.processes import alive
from tests.recording_proxy import RecordingProxy
from tests.waiting import eventually

ON = {"edited_apps": True}
PLAIN = wsgi.CHAPTER.settings[0]
EDITED = wsgi.CHAPTER.setting("edited")


def whole(message):
    return message["head"].encode("latin-1") + base64.b64decode(message["body"]["kept"])


@pytest.fixture
def seen(monkeypatch):
    """The bytes of each call so far, both ways, as a proxy between client and server saw them."""
    real, found = captured_call.exchange, []

    def through_proxy(address, request, within_s):
        with closing(RecordingProxy(address)) as proxy:
            done = real(proxy.address, request, within_s)
        found.append((bytes(proxy.sent), bytes(proxy.received)))
        return done

    monkeypatch.setattr(captured_call, "exchange", through_proxy)
    return found


@pytest.mark.parametrize("setting", wsgi.CHAPTER.settings[:3], ids=lambda one: one.name)
def test_the_bytes_shown_are_those_that_a_proxy_saw_on_each_model(carried_out, seen, setting):
    measured = carried_out(setting.experiment)
    [(sent, received)] = seen
    assert whole(measured["request"]) == sent
    assert whole(measured["response"]) == received
    assert (measured["client_sent"], measured["client_received"]) == (len(sent), len(received))
    assert measured["environ"]["QUERY_STRING"] == "from=Learn"
    assert measured["start_response"]["status"] == "200 OK"
    assert wsgi.CHAPTER.read(setting, measured).answer == "piece"


WRITES_ITS_PID = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def test_an_edited_app_runs_in_the_process_of_the_listener_alone(carried_out):
    measured = carried_out(EDITED.experiment, WRITES_ITS_PID, **ON)
    pid = int(whole(measured["response"]).rpartition(b"\r\n")[2])
    assert pid == measured["pid"] != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_of_an_edited_app_is_run_while_the_setting_is_off(carried_out, tmp_path):
    ran = tmp_path / "ran"
    with pytest.raises(ServescopeError, match="the setting edited_apps is off"):
        carried_out(EDITED.experiment, f"open({str(ran)!r}, 'w')\n{WRITES_ITS_PID}")
    assert not ran.exists()
    assert list((tmp_path / "experiment").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def app(", "SyntaxError"),
        ("import nowhere", "nowhere"),
        ("def app(one):\n    pass", "edited_app:app"),
        ("import os\nos._exit(3)", "3"),
    ],
    ids=["no Python", "a module that is not there", "no WSGI app", "it ends its process"],
)
def test_an_edited_app_that_cannot_be_hosted_fails_with_the_reason(carried_out, text, told):
    with pytest.raises(ServescopeError, match=told):
        carried_out(EDITED.experiment, text, **ON)


def test_an_edited_app_that_does_not_answer_ends_with_its_listener(carried_out, monkeypatch):
    monkeypatch.setattr(captured_call, "ANSWERED_S", 0.5)
    hangs = "import time\ndef app(environ, start_response):\n    while True: time.sleep(0.01)\n"
    with pytest.raises(ServescopeError, match="not whole after"):
        carried_out(EDITED.experiment, hangs, **ON)


def test_the_traceback_of_an_edited_app_that_raises_is_a_step(carried_out):
    raises = "def app(environ, start_response):\n    raise ValueError('a fault of mine')\n"
    measured = carried_out(EDITED.experiment, raises, **ON)
    last = wsgi.CHAPTER.read(EDITED, measured).steps[-1]
    assert last.side == "app"
    assert "line 2, in app" in last.data
    assert "ValueError: a fault of mine" in last.data


STARTS_ANOTHER = """\
import subprocess, sys

left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(left.pid).encode()]
"""


def test_a_process_that_an_edited_app_started_ends_with_it(carried_out):
    measured = carried_out(EDITED.experiment, STARTS_ANOTHER, **ON)
    left = int(whole(measured["response"]).rpartition(b"\r\n")[2])
    eventually(lambda: not alive(left), 20)


def test_a_process_that_was_started_before_the_app_failed_ends_too(carried_out, tmp_path):
    told = tmp_path / "left"
    text = STARTS_ANOTHER + f"open({str(told)!r}, 'w').write(str(left.pid))\nraise SystemExit(3)\n"
    with pytest.raises(ServescopeError):
        carried_out(EDITED.experiment, text, **ON)
    eventually(lambda: not alive(int(told.read_text())), 20)


BODY = "def app(environ, start_response):\n    {}\n"
OK = "start_response('200 OK', [])"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (f"{OK}\n    return [b'a', b'b']", "piece"),
        (f"{OK}\n    yield b''\n    yield b'a'\n    yield b'b'", "piece"),
        (f"{OK}(b'written')\n    return []", "piece"),
        (f"{OK}\n    return []", "end"),
        ("return [b'']", "no byte of the app leaves, since it did not call start_response"),
    ],
    ids=["a list", "an empty piece first", "write", "no content", "no start_response"],
)
def test_when_the_first_byte_left_is_read_from_the_steps_of_any_app(carried_out, body, answer):
    measured = carried_out(EDITED.experiment, BODY.format(body), **ON)
    assert wsgi.CHAPTER.read(EDITED, measured).answer.startswith(answer)


def test_the_text_to_change_is_the_program_that_is_shown():
    assert EDITED.edited.initial == programs.source("pausing_app")
