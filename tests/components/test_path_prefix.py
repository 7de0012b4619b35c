"""Below a path prefix: whatever a proxy makes of it, the app sees its own paths."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from components.path_prefix import PathPrefixMiddleware


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode("latin-1")]


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        pytest.param({"PATH_INFO": "/a/scope/load"}, "/a/scope /load", id="passed on"),
        pytest.param({"PATH_INFO": "/a/scope/"}, "/a/scope /", id="passed on, the overview"),
        pytest.param({"PATH_INFO": "/load"}, "/a/scope /load", id="stripped"),
        pytest.param({"PATH_INFO": "/"}, "/a/scope /", id="stripped, the overview"),
        pytest.param({"PATH_INFO": ""}, "/a/scope ", id="empty"),
        pytest.param({"PATH_INFO": "/a/scoped/load"}, "/a/scope /a/scoped/load", id="a namesake"),
        pytest.param(
            {"PATH_INFO": "/load", "SCRIPT_NAME": "/a/scope"}, "/a/scope /load", id="by the server"
        ),
        pytest.param(
            {"PATH_INFO": "/a/scope/x", "SCRIPT_NAME": "/b"}, "/b/a/scope /x", id="mounted itself"
        ),
    ],
)
def test_the_prefix_goes_to_script_name(environ, seen):
    client = Client(PathPrefixMiddleware(app, "/a/scope"))
    assert client.get("/", environ_overrides={"SCRIPT_NAME": "", **environ}).text == seen


@pytest.mark.parametrize(("query", "location"), [("", "/scope/"), ("last=15m", "/scope/?last=15m")])
def test_the_bare_prefix_leads_below_it(query, location):
    answer = Client(PathPrefixMiddleware(app, "/scope")).get("/scope", query_string=query)
    assert (answer.status_code, answer.headers["Location"]) == (308, location)
