"""The programs that chapters show: each runs as it stands."""

from __future__ import annotations

import os

from werkzeug.test import Client

from servescope.demo import programs
from servescope.demo.programs import deployed_app, pausing_app, werkzeug_app


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
