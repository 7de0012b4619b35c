"""The demo's login and form: sessions, tokens, validation, and where the key comes from."""

from __future__ import annotations

import re
import stat
import threading

import pytest

from servescope.demo import session_key
from servescope.demo.accounts import KEPT, LONGEST_NAME, LONGEST_REASON
from servescope.demo.flask_app import create_app

GOOD = {"stars": "4", "reason": "It shows where the time goes."}


@pytest.fixture
def app():
    app = create_app()
    app.secret_key = b"of this test alone"
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def token(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def send(client, path, form_on=None, **fields):
    given = token(client.get(form_on or path))
    return client.post(path, data={"csrf_token": given, **fields})


def log_in(client, name="Ada"):
    answer = send(client, "/login", name=name)
    assert (answer.status_code, answer.location) == (303, "/rating")
    return answer


def test_who_has_not_logged_in_is_sent_to_do_so(client):
    for answer in (client.get("/rating"), send(client, "/rating", form_on="/login", **GOOD)):
        assert (answer.status_code, answer.location) == (303, "/login")


def test_a_session_from_login_to_logout(client):
    cookie = log_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/rating")
    assert "Logged in as <b>Ada</b>" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert send(client, "/logout", form_on="/rating").location == "/login"
    assert client.get("/rating").status_code == 303


def test_a_rating_is_taken_once_and_shown(client):
    log_in(client, "<Ada>".strip("<>"))
    answer = send(client, "/rating", stars="5", reason="<b>quick</b> & honest")
    assert (answer.status_code, answer.location) == (303, "/rating")
    page = client.get("/rating")
    assert "Thank you." in page.text
    assert "★★★★★ Ada" in page.text
    assert "&lt;b&gt;quick&lt;/b&gt; &amp; honest" in page.text
    again = client.get("/rating")
    assert "Thank you." not in again.text
    assert again.text.count("<li>") == 1


def test_only_so_many_ratings_are_kept(client):
    log_in(client)
    for number in range(KEPT + 3):
        send(client, "/rating", stars="1", reason=f"rating number {number}")
    page = client.get("/rating").text
    assert page.count("<li>") == KEPT
    assert f"rating number {KEPT + 2}" in page
    assert "rating number 2<" not in page


@pytest.mark.parametrize(
    ("stars", "reason", "faults"),
    [
        ("", "", ["stars", "reason"]),
        ("0", GOOD["reason"], ["stars"]),
        ("6", GOOD["reason"], ["stars"]),
        ("4.5", GOOD["reason"], ["stars"]),
        ("٣", GOOD["reason"], ["stars"]),
        ("³", GOOD["reason"], ["stars"]),
        ("9" * 6000, GOOD["reason"], ["stars"]),
        ("4", "too short", ["reason"]),
        ("4", "x" * (LONGEST_REASON + 1), ["reason"]),
    ],
)
def test_a_form_that_lacks_something_comes_back(client, stars, reason, faults):
    log_in(client)
    answer = send(client, "/rating", stars=stars, reason=reason)
    assert answer.status_code == 422
    assert re.findall(r'class="fault" id="(\w+)-fault"', answer.text) == faults
    if reason:
        assert f'value="{reason}"' in answer.text, "what was typed is not lost"
    assert "★" not in client.get("/rating").text


@pytest.mark.parametrize("name", ["", "   ", "x" * (LONGEST_NAME + 1), "<script>", "-", "a\0b"])
def test_a_name_that_is_none(client, name):
    answer = send(client, "/login", name=name)
    assert answer.status_code == 422
    assert "name-fault" in answer.text
    assert client.get("/rating").status_code == 303


@pytest.mark.parametrize("name", ["Ada", "Zoë", "O'Neill", "李", "J. R. R."])
def test_any_name_will_do(client, name):
    log_in(client, name)


@pytest.mark.parametrize("path", ["/login", "/rating", "/logout"])
@pytest.mark.parametrize("given", [None, "", "guessed", "é"])
def test_a_form_without_the_token_of_its_session_is_refused(app, client, path, given):
    log_in(client)
    client.get("/rating")
    data = {"name": "Eve", **GOOD} | ({} if given is None else {"csrf_token": given})
    assert client.post(path, data=data).status_code == 400
    stranger = token(app.test_client().get("/login"))
    assert client.post(path, data={**data, "csrf_token": stranger}).status_code == 400
    assert "Logged in as <b>Ada</b>" in client.get("/rating").text


def test_a_cookie_that_was_tampered_with_is_no_session(client):
    log_in(client)
    cookie = client.get_cookie("servescope_demo")
    client.set_cookie("servescope_demo", cookie.value[:-2] + "xx")
    assert client.get("/rating").status_code == 303


# The key.


def test_a_plain_request_makes_no_key_and_sets_no_cookie(monkeypatch, tmp_path):
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path))
    app = create_app()
    answer = app.test_client().get("/")
    assert "Set-Cookie" not in answer.headers
    assert app.secret_key is None
    assert not list(tmp_path.iterdir())


def test_all_workers_share_a_key_that_only_its_owner_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path))
    session_key.session_key.cache_clear()
    try:
        one, other = create_app().test_client(), create_app().test_client()
        log_in(one)
        cookie = one.get_cookie("servescope_demo")
        session_key.session_key.cache_clear()  # another process, or the next start
        other.set_cookie("servescope_demo", cookie.value)
        assert "Logged in as <b>Ada</b>" in other.get("/rating").text
    finally:
        session_key.session_key.cache_clear()
    [path] = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == session_key.KEY_BYTES


def test_workers_that_start_together_agree(tmp_path):
    found = set()
    barrier = threading.Barrier(8)

    def make():
        barrier.wait(10)
        found.add(session_key.shared_key(tmp_path / "new"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 1
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_only_the_sharing(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path / "file"))
    session_key.session_key.cache_clear()
    try:
        log_in(create_app().test_client())
    finally:
        session_key.session_key.cache_clear()
