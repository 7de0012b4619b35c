"""Flask and Django apps as people write them, hosted over the wire by every model."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from servescope.records.listeners import ConcurrencyModel

DJANGO = "tests.serving.django_app:application"
DJANGO_FILE = Path(__file__).parent / "django_app.py"
FLASK = "servescope.demo.flask_app:app"


@pytest.fixture(params=[*ConcurrencyModel])
def serve(request, bench, monkeypatch, tmp_path):
    """Start an app on each model; give a client of it that follows no redirect by itself."""
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path / "data"))
    clients = []

    def start(app):
        host, port = bench.start(app, model=request.param, workers=1).address
        clients.append(httpx.Client(base_url=f"http://{host}:{port}", timeout=20))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def test_django(serve):
    client = serve(DJANGO)
    assert client.get("/items/7/").json() == {"number": 7}
    moved = client.get("/items/7")
    assert (moved.status_code, moved.headers["Location"]) == (301, "/items/7/")
    assert client.get("/none/").status_code == 404
    assert client.get("/stream/").content == b"z" * 500_000
    assert client.get("/download/").content == b"0123456789" * 1000
    assert client.get("/this/").content == DJANGO_FILE.read_bytes()
    large = client.get("/large/")
    assert large.headers["Content-Encoding"] == "gzip"
    assert large.text == "compress me " * 10_000
    head = client.head("/items/7/")
    assert (head.content, head.headers["Content-Length"]) == (b"", "13")


def test_django_forms_sessions_and_uploads(serve):
    client = serve(DJANGO)
    assert client.post("/form/").status_code == 403, "no token"
    for sent in range(3):
        seen = client.get("/form/").json()
        assert seen["sent"] == sent
        answer = client.post("/form/", data={"csrfmiddlewaretoken": seen["token"]})
        assert (answer.status_code, answer.headers["Location"]) == (302, "/form/")
    token = {"X-CSRFToken": client.get("/form/").json()["token"]}
    content = b"\0\xff" * 2_000_000
    answer = client.post("/upload/", files={"file": ("two.bin", content)}, headers=token)
    assert answer.json() == {"name": "two.bin", "size": len(content)}


def test_a_failing_django_view_is_a_500_and_the_next_request_is_served(serve):
    client = serve(DJANGO)
    answer = client.get("/fail/")
    assert answer.status_code == 500
    assert "RuntimeError" not in answer.text
    assert client.get("/items/1/").status_code == 200


def test_flask_with_a_session_and_a_form(serve):
    client = serve(FLASK)

    def send(path, on=None, **fields):
        page = client.get(on or path).text
        fields["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        return client.post(path, data=fields)

    assert client.get("/rating").headers["Location"] == "/login"
    assert send("/login", name="Ada").headers["Location"] == "/rating"
    assert "Logged in as <b>Ada</b>" in client.get("/rating").text
    refused = send("/rating", stars="9", reason="")
    assert refused.status_code == 422
    assert "stars-fault" in refused.text
    assert send("/rating", stars="5", reason="It shows where time goes.").status_code == 303
    assert "★★★★★ Ada" in client.get("/rating").text
    assert client.post("/logout").status_code == 400
    assert send("/logout", on="/rating").headers["Location"] == "/login"
    assert client.get("/rating").status_code == 303
