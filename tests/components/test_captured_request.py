"""The captured parts of a request, as a page shows them."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from components import captured_request, send_again
from servescope.records.listeners import ListenerState, ListenerStatus
from tests.components.test_parts import ROW, texts

WSGI = ListenerStatus(
    "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:app", 5555
)
HEAD = "POST /a?token=[masked] HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def paths(app):
    """Paths need a Dash app."""
    del app


def body(kept=b"", *, is_kept=True, **changes):
    told = {"size": len(kept), "type": "text/plain", "is_cut": False, "is_chunked": False}
    shown = base64.b64encode(kept).decode() if is_kept else None
    return told | {"kept": shown, "why": ""} | changes


def document(**changes):
    told = {
        "method": "POST",
        "target": "/a?token=[masked]",
        "omitted": 0,
        "loaded_s": 1.8e9,
        "steps": [[0, "read", "5 bytes"], [2_000_000, "call", "on thread wsgi-1"]],
        "request": {"head": HEAD, "body": body(b"5\r\nhello\r\n0\r\n\r\n", is_chunked=True)},
        "response": {"head": "HTTP/1.1 200 OK\r\n\r\n", "body": body(b"\x00\xffA", size=9)},
        "environ": {"PATH_INFO": "/a"},
        "scope": None,
        "start_response": {"status": "200 OK", "headers": [["A", "b"]]},
        "events": [],
        "frames": [],
    }
    return told | changes


def said(part):
    return "\n".join(texts(part))


def test_steps_bytes_environ_and_curl_are_shown():
    shown = said(captured_request.captured(document(), WSGI))
    assert "call" in shown
    assert "2 ms" in shown
    assert HEAD in shown
    assert "start_response('200 OK', [\n    ('A', 'b'),\n])" in shown
    assert "/a" in shown
    assert "2 places hold [masked]" in shown


def test_a_secret_in_a_body_is_counted_and_one_place_holds_it():
    plain = {"head": "POST / HTTP/1.1\r\n\r\n", "body": body(b"name=a&password=[masked]")}
    shown = said(captured_request.captured(document(request=plain, target="/", omitted=1), WSGI))
    assert "1 place holds [masked] instead of a secret" in shown
    assert "1 further step or message was left out." in shown
    plain["body"] = body(b"", size=9, is_kept=False)
    assert "No secret was found" in said(
        captured_request.captured(document(request=plain, target="/"), WSGI)
    )


def test_the_command_sends_the_content_without_its_chunks():
    command = captured_request.command_of(document(), WSGI)
    assert command.endswith("--data-raw hello 'http://127.0.0.1:5555/a?token=[masked]'")
    assert "Transfer-Encoding" not in command


def test_the_command_says_that_its_listener_does_not_run_and_asks_for_a_port_of_then():
    stopped = replace(WSGI, state=ListenerState.STOPPED)
    shown = said(captured_request.captured(document(), stopped))
    assert "# Listener wsgi does not run now: start it first.\n" in shown
    shown = said(captured_request.captured(document(), replace(stopped, port=0)))
    assert "'http://127.0.0.1:PORT/a?token=[masked]'" in shown
    assert "any free port when it starts: put it in the place of PORT." in shown
    assert "does not run" not in said(captured_request.captured(document(), WSGI))


@pytest.mark.parametrize(
    ("request_body", "why"),
    [
        (body(b"abc"), ""),
        (body(b"abc", size=9, is_cut=True), "only the first bytes"),
        (body(b"", size=9, is_kept=False), "its body is not kept"),
        (body(b"8\r\n[masked]\r\n0\r\n\r\n", is_chunked=True), "a secret was masked in its chunks"),
    ],
    ids=["whole", "cut", "not kept", "masked chunks"],
)
def test_a_request_that_cannot_be_sent_whole_says_why(request_body, why):
    told = document(request={"head": HEAD, "body": request_body})
    assert captured_request.why_not_whole(told).startswith(why)
    assert bool(why) == bool(captured_request.why_not_whole(told))
    again = send_again.request_again(ROW, told, is_confirmed=True)
    assert again.content == (b"" if why else b"abc")


def test_a_body_that_is_not_kept_says_so():
    told = document(response={"head": "", "body": body(b"", size=9, is_kept=False, why="no text")})
    assert "The body of 9 B is not kept: no text." in said(captured_request.captured(told, WSGI))


def test_bytes_by_sixteens():
    assert captured_request.hexadecimal(b"GET / HTTP/1.1\r\n\xff") == (
        "000000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1..\n"
        "000010  ff                                               ."
    )


def test_without_a_capture_only_method_and_target_are_sent():
    again = send_again.request_again(ROW, None, is_confirmed=False)
    assert (again.method, again.target, again.fields, again.content) == (
        *("GET", ROW.target, ()),
        b"",
    )


@pytest.mark.parametrize(
    ("row", "command"),
    [
        (
            replace(ROW, target="/a?b=1", user_agent="curl/8"),
            "curl --include --path-as-is --header 'User-Agent: curl/8' 'http://127.0.0.1:5555/a?b=1'",
        ),
        (
            replace(ROW, method="DELETE", target="/a", user_agent=""),
            "curl --include --path-as-is --request DELETE http://127.0.0.1:5555/a",
        ),
        (replace(ROW, method="OTHER", target=""), None),
    ],
    ids=["GET", "DELETE", "a request that nobody read"],
)
def test_of_a_request_that_was_not_captured_the_command_has_what_is_known(row, command):
    said = texts(captured_request.not_captured("It was not captured.", row, WSGI))
    assert "It was not captured." in said
    assert any("are known" in one for one in said) is (command is not None)
    if command is not None:
        assert said[-1].endswith(f"are known.\n{command}")
    assert len(texts(captured_request.not_captured("It was not captured.", row, None))) == 3
