"""The programs that chapters show: each runs as it stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from werkzeug.test import Client

from servescope.demo import programs
from servescope.demo.programs import dash_app, deployed_app, flask_app, pausing_app, werkzeug_app
from tests.ports import free_port
from tests.waiting import eventually


def test_the_source_is_that_of_the_module():
    assert programs.source("pausing_app").startswith(f'"""{pausing_app.__doc__}"""')


def test_the_pausing_app_answers_in_two_pieces():
    response = Client(pausing_app.app).get("/", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert response.text == "Hello, you at 192.0.2.7!\n"


def test_werkzeug_routes_read_the_request_and_refuse_what_fits_none():
    client = Client(werkzeug_app.app)
    assert client.get("/notes/7?reader=Ada").text == "Note 7, read by Ada\n"
    assert client.get("/notes/seven").status_code == 404
    assert client.post("/notes/7").status_code == 405


def test_the_deployed_app_says_which_process_answered():
    assert Client(deployed_app.server).get("/").text == f"{os.getpid()}\n"


@pytest.fixture
def flask_client():
    return flask_app.app.test_client()


def test_the_flask_app_says_hello_and_has_notes_by_number(flask_client):
    assert flask_client.get("/").text == "<p>Hello, world!</p>"
    assert flask_client.get("/notes/7").json == {"number": 7, "text": "This is note 7."}


@pytest.mark.parametrize(
    ("content", "status"),
    [([1, 2, 3], 200), ([], 200), (["1"], 400), ({"a": 1}, 400), (7, 400)],
    ids=["numbers", "none", "a text", "an object", "a number alone"],
)
def test_the_api_sums_an_array_of_numbers_alone(flask_client, content, status):
    response = flask_client.post("/api/sum", json=content)
    assert response.status_code == status
    assert status != 200 or response.json == {"sum": sum(content)}


@pytest.fixture
def hello_dash(tmp_path):
    """The program as a newcomer starts it, but for its port."""
    port = free_port()
    text = programs.source("dash_app").replace("port=8051", f"port={port}")
    (tmp_path / "hello_dash.py").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "hello_dash.py"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    process.wait(20)


@pytest.mark.process
def test_the_dash_app_runs_as_it_stands_and_answers_its_callback(hello_dash):
    call = {
        "output": "hello-greeting.children",
        "outputs": {"id": "hello-greeting", "property": "children"},
        "inputs": [{"id": "hello-name", "property": "value", "value": "Ada"}],
        "changedPropIds": ["hello-name.value"],
    }
    request = urllib.request.Request(
        f"{hello_dash}/_dash-update-component",
        json.dumps(call).encode(),
        {"Content-Type": "application/json"},
    )

    def answered():
        with suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    answer = eventually(answered, 60)
    assert answer["response"] == {"hello-greeting": {"children": "Hello, Ada!"}}


def test_the_greeting_is_for_the_world_until_somebody_has_a_name():
    assert [dash_app.greet(name) for name in ("", None, "Ada")] == [
        "Hello, world!",
        "Hello, world!",
        "Hello, Ada!",
    ]
