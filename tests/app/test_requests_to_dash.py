"""What reaches Dash: our own pages' callbacks; all else is refused in one line, not a traceback."""

import logging

import pytest

from components import same_origin
from servescope.errors import SettingsError
from servescope.serving.quiet_log import QuietLog
from servescope.settings import Settings
from tests.processes import eventually

CALLBACKS = "/_dash-update-component"


@pytest.fixture
def client(app):
    return app.server.test_client()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"output": 7}', 400),
        (b'{"output": "of-an-older-version.data", "inputs": []}', 409),
    ],
)
def test_callbacks_of_no_page_of_ours_are_refused_quietly(client, caplog, body, status):
    with caplog.at_level(logging.WARNING):
        answer = client.post(CALLBACKS, data=body, content_type="application/json")
    assert answer.status_code == status
    assert caplog.records == []


def test_a_foreign_page_cannot_call_back_and_is_told_of_once(client, caplog, monkeypatch):
    monkeypatch.setattr(same_origin, "_log", QuietLog(logging.getLogger("test")))
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


def test_every_answer_carries_the_security_headers(client):
    for path in ("/", "/health", "/assets/app.css", "/no/such/page"):
        with client.get(path) as answer:
            headers = answer.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


def test_a_static_file_is_compressed_once(client):
    page = client.get("/").get_data(as_text=True)
    path = next(part for part in page.split('"') if "plotly.min" in part or "dash_renderer" in part)
    gzip = {"Accept-Encoding": "gzip"}
    first, second = client.get(path, headers=gzip), client.get(path, headers=gzip)
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.data == second.data
    assert len(first.data) < len(client.get(path).data) / 2


def test_a_bare_server_starts_its_part_with_the_first_request(client):
    answer = client.get("/_dash-layout")
    assert answer.status_code == 200
    desk = client.application.extensions["servescope"].desk
    started = {"files", "wsgi", "asgi"}
    eventually(lambda: {status.name for status in desk.control.listeners()} == started)
