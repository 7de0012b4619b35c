"""Only our own pages' callbacks reach Dash; all else is refused in one line, not a traceback."""

import json
import logging
from urllib.parse import urljoin

import pytest

from components import guard, same_origin
from components.callback_requests import CALLBACKS as ENDPOINT
from components.callback_requests import VALUES
from components.guard import LONGEST_BODY
from servescope.errors import SettingsError, StoreFullError
from servescope.rate_limited_log import RateLimitedLog
from servescope.settings import Settings
from tests.app.callback_payloads import payloads
from tests.processes import eventually

CALLBACKS = f"/{ENDPOINT}"
JSON = "application/json"
STRANGER = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def client(app, monkeypatch):
    """A client in a new minute of the log: each test sees the first line of each kind."""
    client = app.server.test_client()
    client.get("/")
    context = app.server.extensions["servescope"].context
    eventually(
        lambda: context.newest() is not None
    )  # what is asked for a figure has some to look at
    new_minute(app, monkeypatch)
    return client


def new_minute(app, monkeypatch):
    for limited in (app.server._faults, guard._troubles, app.server.extensions["refused"]):
        monkeypatch.setattr(limited, "_kinds", {})


def body_of(app, name, **changes):
    return payloads(app.callback_map)[name] | changes


BOMB = b"[" * 100_000 + b"]" * 100_000
POLL = "overview-delta.data"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{", JSON, 400, id="no JSON"),
        pytest.param(b"", JSON, 400, id="nothing"),
        pytest.param(b"[]", JSON, 400, id="a list"),
        pytest.param(b"{}", JSON, 400, id="no output"),
        pytest.param(b'{"output": 7}', JSON, 400, id="an output that is a number"),
        pytest.param(BOMB, JSON, 400, id="100,000 nested brackets"),
        pytest.param(b'{"output": ' + BOMB + b"}", JSON, 400, id="nested in an object"),
        pytest.param(b'{"output": "x", "a": NaN}', JSON, 400, id="NaN"),
        pytest.param(b'{"output": "\xff"}', JSON, 400, id="no UTF-8"),
        pytest.param(b'{"output": "\\ud800"}', JSON, 400, id="half a character"),
        pytest.param(b" " * (LONGEST_BODY + 1), JSON, 413, id="too long"),
        pytest.param(b"{}", "text/plain", 415, id="text"),
        pytest.param(b"a=1", "application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param(b"{}", "", 415, id="no type"),
        pytest.param(
            b'{"output": "of-an-older-version.data", "inputs": []}', JSON, 409, id="an older page"
        ),
    ],
)
def test_what_is_no_callback_of_ours_is_refused_in_one_line(
    client, caplog, body, content_type, status
):
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            answer = client.post(
                CALLBACKS,
                data=body,
                content_type=content_type,
                headers={"Sec-Fetch-Site": "same-origin"},
                environ_base=STRANGER,
            )
            assert answer.status_code == status
    (record,) = [one for one in caplog.records if one.name == "servescope.requests"]
    assert record.exc_info is None
    assert record.message.startswith(f"answered {status} to POST {CALLBACKS} from 192.0.2.7: ")
    assert record.levelno == (logging.INFO if status == 409 else logging.WARNING)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": None}, "inputs has not the 3 entries"),
        ({"inputs": []}, "inputs has not the 3 entries"),
        ({"inputs": {}}, "inputs has not the 3 entries"),
        ({"inputs": [5, 5, 5]}, "inputs[0] is not tick.n_intervals"),
        ({"state": None}, "state has not the 1 entries"),
        ({"state": False}, "state has not the 1 entries"),
        ({"outputs": None}, "outputs[0] is not"),
        ({"outputs": []}, "outputs[0] is not"),
        ({"outputs": {"id": "other", "property": "data"}}, "outputs[0] is not"),
        ({"outputs": {"id": "overview-delta", "property": 5}}, "outputs[0] is not"),
        ({"changedPropIds": ["__proto__"]}, "changedPropIds"),
        ({"changedPropIds": "tick.n_intervals"}, "changedPropIds"),
        ({"changedPropIds": [[]]}, "changedPropIds"),
        ({"output": "overview-cursor.data"}, "runs in the browser"),
    ],
    ids=str,
)
def test_a_callback_of_another_shape_is_refused_and_told_why(app, client, changes, reason):
    answer = client.post(CALLBACKS, json=body_of(app, POLL, **changes))
    assert answer.status_code == 400
    assert reason in answer.text


@pytest.mark.parametrize(
    ("prop", "value"),
    [
        ("data", 5),
        ("data", "5m"),
        ("data", []),
        ("data", json.loads('{"a":' * 40 + "1" + "}" * 40)),
        ("n_clicks", "1"),
        ("n_intervals", {}),
        ("pathname", 5),
        ("pathname", "requests"),
        ("pathname", None),
        ("search", ["?"]),
        ("value", {}),
        ("value", [{}]),
        ("value", "x" * 70_000),
        ("value", [1] * 2_000),
        ("checked", "true"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_value_that_its_property_cannot_have_is_none(prop, value):
    assert not VALUES[prop](value)


def test_each_property_that_a_callback_reads_has_a_rule_and_each_id_is_a_plain_one(app, client):
    del client
    read = [
        one
        for entry in app.callback_map.values()
        if "callback" in entry
        for one in (*entry["inputs"], *entry["state"])
    ]
    assert {one["property"] for one in read} == set(VALUES)
    assert not any(one["id"].startswith("{") for one in read)  # patterns have lists of values


def test_a_foreign_page_cannot_call_back_and_is_told_of_once(client, caplog, monkeypatch):
    monkeypatch.setattr(same_origin, "_log", RateLimitedLog(logging.getLogger("test")))
    for _ in range(3):
        answer = client.post(CALLBACKS, json={}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
    assert sum("'http://evil.example'" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://status.example.org"},
            400,
            id="behind a proxy that changes Host",
        ),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403, id="no"),
        pytest.param({"Origin": "https://status.example.org"}, 403, id="by plain HTTP, unnamed"),
        pytest.param({"Origin": "http://[::1"}, 403, id="half an address"),
        pytest.param({"Host": "[::1", "Origin": "http://localhost"}, 403, id="half a host"),
    ],
)
def test_the_page_that_calls_back_is_known_by_sec_fetch_site(client, headers, status):
    answer = client.post(CALLBACKS, json={}, headers=headers)  # which is no call: 400
    assert answer.status_code == status


@pytest.mark.parametrize("prefix", ["/load", "/assets/scope", "/health", "/_dash-layout"])
def test_a_prefix_that_is_a_path_of_ours_is_refused(app, tmp_path, prefix):
    import app as composition

    settings = Settings(data_dir=tmp_path, path_prefix=prefix)
    with pytest.raises(SettingsError, match=f"SERVESCOPE_PATH_PREFIX={prefix}: .* choose another"):
        composition._go_behind_proxies(app.server, settings)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_dash-component-suites/os/x.py", 404),
        ("/_dash-component-suites/dash/../../app.py", 404),
        ("/_dash-component-suites/dash/%2e%2e/%2e%2e/app.py", 404),
        ("/_dash-component-suites/dash/deps/..%00.js", 404),
        ("/_dash-component-suites/dash/", 404),
        ("/_dash-component-suites/" + "x" * 5_000 + "/y.js", 404),
        ("/assets/%00.css", 404),
        ("/assets/..%2fapp.py", 404),
        ("/assets/../app.py", 404),
        ("/assets/" + "x" * 5_000, 404),
        ("/_dash-layout?view=5&view=6", 200),
        ("/_dash-dependencies?%00=%ff", 200),
        ("/_reload-hash?x=[", 200),
        ("/health?" + "a=1&" * 3_000, 200),
        ("/?view=5&last[]=1&%f0%28%8c%28=%00", 200),
        ("/requests?listener=a&listener=b&status[]=%00", 200),
        ("/metrics?format=%00&x=" + "9" * 5_000, 200),
        ("/export?metric=", 400),
        ("/export?metric=%00&metric=%ff", 400),
        ("/export?metric=system.cpu.utilization&from=nan&to=inf", 400),
        ("/export?metric=system.cpu.utilization&from=1e999", 400),
        ("/export?metric=system.cpu.utilization&step=" + "9" * 5_000, 400),
        ("/export?metric=system.cpu.utilization&from=0001-01-01&to=9999-12-31T23:59:59-14:00", 400),
        ("/export?metric=system.cpu.utilization&format=%00", 400),
        ("/export?metric=system.cpu.utilization&host=%0d%0a", 400),
        ("/export?%5b%5d=1", 400),
        ("/no/such/page", 404),
        ("/%ff%fe", 404),
        ("/requests%00", 404),
        ("/requests/7", 200),
        ("/requests/7/", 308),
        ("/requests/seven", 404),
        ("/requests/7/8", 404),
        ("/not-found-404", 404),
    ],
    ids=lambda given: str(given)[:60],
)
def test_odd_addresses_are_answered_without_a_traceback(client, caplog, path, status):
    with caplog.at_level(logging.INFO), client.get(path) as answer:
        assert answer.status_code == status
    assert [record.message for record in caplog.records if record.exc_info] == []
    assert all("\n" not in message and "\0" not in message for message in caplog.messages)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/requests", CALLBACKS, "/metrics", "/_dash-layout"])
def test_other_methods_are_405(client, path, method):
    assert client.open(path, method=method).status_code == 405


@pytest.mark.parametrize("accept", ["", ";", ",,,", "q=1", "*/*;q=nan", "a/b" * 5_000, "\xff"])
def test_odd_accept_headers_are_answered(client, accept):
    assert client.get("/metrics", headers={"Accept": accept}).status_code in {200, 406}


@pytest.mark.parametrize("path", ["/no/such/page", "/not-found-404", "/run", "/sign-in/x"])
def test_an_unknown_page_is_404_and_drawn_all_the_same(client, path):
    for method in ("GET", "HEAD"):
        answer = client.open(path, method=method)
        assert answer.status_code == 404
        assert answer.mimetype == "text/html"
    assert "react-entry-point" in client.get(path).text


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/requests/", "/requests"),
        ("/requests/?last=1h&host=%2F", "/requests?last=1h&host=%2F"),
        ("/sign-in/", "/sign-in"),
    ],
)
def test_a_slash_behind_a_page_leads_to_the_page(client, path, target):
    answer = client.get(path)
    assert answer.status_code == 308
    assert answer.location == "../" + target[1:]  # whatever prefix a proxy puts before
    assert urljoin(path, answer.location) == target
    assert client.get(target).status_code == 200


def test_a_slash_behind_what_is_no_page_leads_nowhere(client):
    for path in ("/no/such/", "/evil.example/", "/requests/x/"):
        assert client.get(path).status_code == 404


def fail_with(app, monkeypatch, error):
    def view():
        raise error

    monkeypatch.setitem(app.server.view_functions, "/health", view)


def test_a_fault_of_ours_is_500_with_one_traceback_a_minute(app, client, caplog, monkeypatch):
    fail_with(app, monkeypatch, ZeroDivisionError("ours"))
    monkeypatch.setitem(app.server.config, "PROPAGATE_EXCEPTIONS", False)
    for _ in range(3):
        assert client.get("/health").status_code == 500
    (record,) = [one for one in caplog.records if one.name == "servescope.requests"]
    assert record.exc_info[0] is ZeroDivisionError
    assert record.message == "failed to answer GET /health"


def test_trouble_is_told_in_a_sentence_without_a_traceback(app, client, caplog, monkeypatch):
    fail_with(app, monkeypatch, StoreFullError("no room left"))
    for _ in range(3):
        answer = client.get("/health")
        assert (answer.status_code, answer.text) == (503, "no room left\n")
    (record,) = [one for one in caplog.records if one.name == "servescope.requests"]
    assert record.exc_info is None
    assert record.message == "no room left"


def test_every_answer_carries_the_security_headers(app, client, monkeypatch):
    monkeypatch.setitem(app.server.config, "PROPAGATE_EXCEPTIONS", False)

    def post(**options):
        return client.post(CALLBACKS, **options)

    answers = {
        200: client.get("/"),
        308: client.get("/requests/"),
        400: post(json={}),
        403: post(json={}, headers={"Origin": "http://evil.example"}),
        404: client.get("/no/such/page"),
        405: client.put("/health"),
        406: client.get("/metrics", headers={"Accept": "image/png"}),
        409: post(json={"output": "old.data"}),
        413: post(data=b" " * (LONGEST_BODY + 1), content_type=JSON),
        415: post(data=b"x"),
    }
    fail_with(app, monkeypatch, StoreFullError("no room left"))
    answers[503] = client.get("/health")
    fail_with(app, monkeypatch, ZeroDivisionError())
    answers[500] = client.get("/health")
    answers |= {f"/{path}": client.get(path) for path in ("/health", "/assets/app.css")}
    for status, answer in answers.items():
        assert isinstance(status, str) or answer.status_code == status
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy, status
        assert "unsafe-eval" not in policy, status
        assert answer.headers["X-Content-Type-Options"] == "nosniff", status
        assert answer.headers["X-Frame-Options"] == "DENY", status
        assert answer.headers["Referrer-Policy"] == "same-origin", status
        answer.close()


def test_lines_that_a_stranger_causes_are_one_a_minute_of_each_kind(caplog):
    now = [0.0]
    limited = RateLimitedLog(logging.getLogger("servescope.requests"), lambda: now[0])
    for second in range(130):
        now[0] = second
        limited.line(logging.WARNING, "a kind", "it was %d", second)
        limited.line(logging.WARNING, ("another", second), "others")
    assert [message for message in caplog.messages if message.startswith("it")] == [
        "it was 0",
        "it was 60 (and 59 more since the last such line)",
        "it was 120 (and 59 more since the last such line)",
    ]


def test_kinds_beyond_a_bound_share_a_line(caplog):
    limited = RateLimitedLog(logging.getLogger("servescope.requests"), lambda: 0.0)
    for number in range(1_000):
        limited.line(logging.WARNING, number, "from %d", number)
    assert len(caplog.records) == 257
    assert len(limited._kinds) == 257


def test_a_bare_server_starts_its_part_with_the_first_request(client):
    answer = client.get("/_dash-layout")
    assert answer.status_code == 200
    context = client.application.extensions["servescope"].context
    started = {"files", "wsgi", "asgi"}
    eventually(
        lambda: {status.name for status in context.process.control.listeners.statuses()} == started
    )
