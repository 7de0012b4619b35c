"""The bundled Flask app, called through its test client: tables of requests and answers."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from wsgiref.validate import validator

import pytest

from servescope.demo.flask_app import MAX_BODY, MAX_WAIT_MS, ROUTE_KEY, create_app
from servescope.demo.notes import MAX_NOTES, MAX_TEXT, MAX_TITLE


@pytest.fixture
def client():
    return create_app().test_client()


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        del tag
        self.found += [value for name, value in attrs if name in {"href", "src", "action"}]


@pytest.mark.parametrize(
    ("method", "target", "status", "content_type"),
    [
        ("GET", "/", 200, "text/html; charset=utf-8"),
        ("HEAD", "/", 200, "text/html; charset=utf-8"),
        ("GET", "/whoami", 200, "application/json"),
        ("POST", "/whoami", 200, "application/json"),
        ("GET", "/search", 200, "text/html; charset=utf-8"),
        ("GET", "/search?q=queue", 200, "text/html; charset=utf-8"),
        ("GET", "/search?q=" + "x" * 201, 400, "text/html; charset=utf-8"),
        ("GET", "/slow?ms=0", 200, "application/json"),
        ("GET", "/slow?ms=-1", 400, "text/html; charset=utf-8"),
        ("GET", "/cpu?ms=0", 200, "application/json"),
        ("GET", "/cpu?ms=1001", 400, "text/html; charset=utf-8"),
        ("GET", "/mixed?cpu_ms=0&wait_ms=0", 200, "application/json"),
        ("GET", "/mixed?cpu_ms=1001&wait_ms=0", 400, "text/html; charset=utf-8"),
        ("GET", "/mixed?cpu_ms=0&wait_ms=30001", 400, "text/html; charset=utf-8"),
        ("GET", "/download?kib=1", 200, "text/plain; charset=utf-8"),
        ("GET", "/download?kib=4097", 400, "text/html; charset=utf-8"),
        ("GET", "/slow?ms=30001", 400, "text/html; charset=utf-8"),
        ("GET", "/slow?ms=1e3", 400, "text/html; charset=utf-8"),
        ("GET", "/slow?ms=", 400, "text/html; charset=utf-8"),
        ("GET", "/slow?ms=%D9%A3", 400, "text/html; charset=utf-8"),  # an Arabic digit
        ("GET", "/slow?ms=" + "9" * 6000, 400, "text/html; charset=utf-8"),
        ("GET", "/error", 500, "text/html; charset=utf-8"),
        ("GET", "/nowhere", 404, "text/html; charset=utf-8"),
        ("POST", "/", 405, "text/html; charset=utf-8"),
        ("GET", "/favicon.ico", 200, "image/x-icon"),
        ("GET", "/static/demo.css", 200, "text/css; charset=utf-8"),
        ("GET", "/static/../flask_app.py", 404, "text/html; charset=utf-8"),
        ("GET", "/api/notes", 200, "application/json"),
        ("GET", "/api/notes/1", 200, "application/json"),
        ("GET", "/api/notes/01", 404, "application/problem+json"),
        ("GET", "/api/notes/77", 404, "application/problem+json"),
        ("GET", "/api/notes/" + "9" * 6000, 404, "application/problem+json"),
        ("DELETE", "/api/notes/77", 404, "application/problem+json"),
        ("PATCH", "/api/notes/1", 405, "application/problem+json"),
        ("GET", "/api/nowhere", 404, "application/problem+json"),
    ],
)
def test_answers(client, method, target, status, content_type):
    response = client.open(target, method=method, buffered=True)
    assert (response.status_code, response.content_type) == (status, content_type)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if method == "HEAD":
        assert response.data == b""
        assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/", {"GET", "HEAD", "OPTIONS"}),
        ("/api/notes/1", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
    ],
)
def test_405_says_what_is_allowed(client, target, allowed):
    response = client.patch(target)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_hello_links_everything_and_every_link_answers(client):
    page = client.get("/").text
    links = Links(page).found
    expected = {"/whoami", "/search?q=queue", "/api/notes", "/slow?ms=800", "/error", "/nowhere"}
    assert expected <= set(links)
    assert all(link.startswith("/") for link in links)  # nothing from another host
    assert client.get("/rating").status_code == 303, "to the login, see test_accounts.py"
    for link in set(links) - {"/error", "/nowhere", "/slow?ms=800", "/rating"}:
        assert client.get(link, buffered=True).status_code == 200, link


def test_pages_keep_the_prefix_they_are_mounted_under(client):
    links = Links(client.get("/", environ_overrides={"SCRIPT_NAME": "/demo"}).text).found
    assert links
    assert all(link.startswith("/demo/") for link in links)


def test_whoami_tells_what_the_server_saw(client):
    answer = client.get(
        "/whoami?x=1",
        headers={"X-Thing": "one, two", "User-Agent": "probe"},
        environ_overrides={
            "REMOTE_ADDR": "192.0.2.7",
            "REMOTE_PORT": "41234",
            "wsgi.multithread": True,
        },
    ).get_json()
    assert answer["address"] == "192.0.2.7"
    assert answer["port"] == 41234
    assert answer["method"] == "GET"
    assert answer["headers"]["X-Thing"] == "one, two"
    assert answer["headers"]["User-Agent"] == "probe"
    assert answer["environ"]["wsgi.multithread"] is True
    assert answer["environ"]["QUERY_STRING"] == "x=1"
    assert answer["answered_by"]["thread"] == "MainThread"


@pytest.mark.parametrize("port", [None, "", "²", "unix"])
def test_whoami_copes_without_a_port(client, port):
    overrides = {} if port is None else {"REMOTE_PORT": port}
    answer = client.get("/whoami", environ_overrides=overrides)
    assert answer.get_json()["port"] is None


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/json"),
        ("text/html;q=0.2, application/json", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("image/png", "text/html"),
    ],
)
def test_search_answers_as_accept_prefers(client, accept, content_type):
    response = client.get("/search?q=backlog", headers={"Accept": accept} if accept else {})
    assert response.mimetype == content_type
    assert response.headers["Vary"] == "Accept"
    if content_type == "application/json":
        titles = [entry["title"] for entry in response.get_json()["results"]]
        assert titles == ["backlog", "accept queue"][: len(titles)]
        assert "backlog" in titles


def test_search_escapes_the_query_and_what_it_finds(client):
    attack = "<script>alert(1)</script>"
    client.post("/api/notes", json={"title": attack})
    page = client.get("/search", query_string={"q": attack}).text
    assert "alert(1)" in page
    assert attack not in page


def test_search_finds_notes_and_links_them(client):
    made = client.post("/api/notes", json={"title": "Zanzibar", "text": "an island"})
    page = client.get("/search?q=zanzibar island").text
    assert f'href="{made.headers["Location"]}"' in page


def test_slow_sleeps_at_least_as_long_as_asked(client):
    start = time.monotonic()
    answer = client.get("/slow?ms=30").get_json()
    assert time.monotonic() - start >= 0.030
    assert answer["asked_ms"] == 30
    assert answer["slept_ms"] >= 30
    assert MAX_WAIT_MS == 30_000


def test_computing_uses_the_cpu_time_that_was_asked_for(client):
    start_ns = time.thread_time_ns()
    answer = client.get("/cpu?ms=5").get_json()
    used_ms = (time.thread_time_ns() - start_ns) / 1e6
    assert answer["asked_ms"] == 5
    assert used_ms >= answer["cpu_ms"] >= 5


def test_a_mixed_answer_computes_and_waits(client):
    answer = client.get("/mixed?cpu_ms=2&wait_ms=3").get_json()
    assert (answer["asked_cpu_ms"], answer["asked_wait_ms"]) == (2, 3)
    assert answer["cpu_ms"] >= 2
    assert answer["slept_ms"] >= 3


def test_error_shows_no_traceback_and_logs_none(client, capfd):
    response = client.get("/error")
    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert "DeliberateError" not in response.text
    assert capfd.readouterr().err == ""


def test_an_unexpected_fault_is_a_500_without_its_text(caplog):
    app = create_app()

    def fail() -> str:
        raise RuntimeError("secret")

    app.add_url_rule("/fault", view_func=fail)
    response = app.test_client().get("/fault")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret" in caplog.text  # it is in the log


def test_errors_are_problem_details_for_json_clients(client):
    response = client.get("/nowhere", headers={"Accept": "application/json"})
    assert response.content_type == "application/problem+json"
    body = response.get_json(force=True)
    assert (body["status"], body["title"], body["type"]) == (404, "Not Found", "about:blank")


def test_a_note_lives_and_dies(client):
    made = client.post("/api/notes", json={"title": " Tea ", "text": "Grün ☕"})
    assert made.status_code == 201
    where = made.headers["Location"]
    note = made.get_json()
    assert where == f"/api/notes/{note['id']}"
    assert (note["title"], note["text"]) == ("Tea", "Grün ☕")
    assert client.get(where).get_json() == note
    assert note in client.get("/api/notes").get_json()["notes"]

    replaced = client.put(where, json={"title": "Coffee"}).get_json()
    assert (replaced["title"], replaced["text"]) == ("Coffee", "")
    assert replaced["id"] == note["id"]
    assert replaced["created"] == note["created"]
    assert replaced["updated"] >= note["updated"]

    gone = client.delete(where)
    assert (gone.status_code, gone.data) == (204, b"")
    assert client.get(where).status_code == 404
    assert client.put(where, json={"title": "x"}).status_code == 404
    again = client.post("/api/notes", json={"title": "Tea"}).get_json()
    assert again["id"] > note["id"]


JSON = "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        (b'{"title": "x"}', "text/plain", 415, "Content-Type"),
        (b'{"title": "x"}', None, 415, "Content-Type"),
        (b"title=x", "application/x-www-form-urlencoded", 415, "Content-Type"),
        (b"", JSON, 400, "no JSON"),
        (b'{"title": ', JSON, 400, "no JSON"),
        (b'\xff\xfe\xff"', JSON, 400, "no JSON"),
        (b"[" * 20_000, JSON, 400, "no JSON"),
        (b"1" * 5_000, JSON, 400, "no JSON"),  # beyond int's limit of digits
        (b" " * (MAX_BODY + 1), JSON, 413, "exceeds"),
        (b"[]", JSON, 422, "JSON object"),
        (b"null", JSON, 422, "JSON object"),
        (b"{}", JSON, 422, "needs a title"),
        (b'{"title": "  "}', JSON, 422, "blank"),
        (b'{"title": 7}', JSON, 422, "must be a string"),
        (b'{"title": "x", "text": null}', JSON, 422, "text must be a string"),
        (b'{"title": "x", "colour": 1}', JSON, 422, "'colour'"),
        (b'{"title": "\\ud800"}', JSON, 422, "surrogate"),
        (b'{"title": "' + b"x" * (MAX_TITLE + 1) + b'"}', JSON, 422, "at most 120"),
        (b'{"title": "x", "text": "' + b"x" * (MAX_TEXT + 1) + b'"}', JSON, 422, "at most 4000"),
    ],
)
def test_bad_notes_are_refused_with_a_reason(client, method, body, content_type, status, says):
    target = "/api/notes" if method == "POST" else "/api/notes/1"
    before = client.get("/api/notes").data
    response = client.open(target, method=method, data=body, content_type=content_type)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = response.get_json(force=True)
    assert problem["status"] == status
    assert says in problem["detail"]
    assert client.get("/api/notes").data == before


def test_the_longest_note_fits_however_it_is_escaped(client):
    body = (
        b'{"title": "'
        + b"\\ud83d\\ude00" * MAX_TITLE
        + b'", "text": "'
        + b"\\ud83d\\ude00" * MAX_TEXT
        + b'"}'
    )
    assert len(body) <= MAX_BODY
    made = client.post("/api/notes", data=body, content_type="application/json; charset=utf-8")
    assert made.status_code == 201
    assert made.get_json()["text"] == "\U0001f600" * MAX_TEXT


def test_a_full_store_refuses_and_recovers(client):
    held = len(client.get("/api/notes").get_json()["notes"])
    for number in range(MAX_NOTES - held):
        assert client.post("/api/notes", json={"title": str(number)}).status_code == 201
    full = client.post("/api/notes", json={"title": "one more"})
    assert full.status_code == 409
    assert "limit" in full.get_json(force=True)["detail"]
    assert client.delete("/api/notes/1").status_code == 204
    assert client.post("/api/notes", json={"title": "one more"}).status_code == 201


@pytest.mark.parametrize(
    ("method", "target", "route"),
    [
        ("GET", "/", "/"),
        ("GET", "/search?q=port", "/search"),
        ("GET", "/api/notes/1", "/api/notes/<note_id>"),
        ("GET", "/api/notes/999", "/api/notes/<note_id>"),
        ("GET", "/error", "/error"),
        ("GET", "/static/demo.css", "/static/<path:filename>"),
        ("GET", "/nowhere", None),
        ("POST", "/search", None),
    ],
)
def test_tells_the_host_its_route(method, target, route):
    app, environs = create_app(), []
    inner = app.wsgi_app

    def host(environ, start_response):
        environs.append(environ)
        return inner(environ, start_response)

    app.wsgi_app = host
    app.test_client().open(target, method=method, buffered=True)
    assert [environ.get(ROUTE_KEY) for environ in environs] == [route]


@pytest.mark.parametrize("target", ["/", "/whoami", "/search", "/error", "/static/demo.css", "/x"])
def test_keeps_to_pep_3333(target):
    """Run under the reference validator of the standard library."""
    app = create_app()
    app.wsgi_app = validator(app.wsgi_app)
    with app.test_client().get(target, buffered=True) as response:
        assert response.status_code in {200, 404, 500}


def test_apps_do_not_share_notes(client):
    client.post("/api/notes", json={"title": "mine"})
    other = create_app().test_client().get("/api/notes").get_json()
    assert "mine" not in [note["title"] for note in other["notes"]]


def test_no_debugger_is_on():
    app = create_app()
    assert not app.debug
    assert not app.testing


def test_a_download_is_as_long_as_asked(client):
    assert len(client.get("/download?kib=3").data) == 3 * 1024
