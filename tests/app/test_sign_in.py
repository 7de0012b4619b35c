"""Sessions and attempts: kept by the server, shared by all processes of a data folder."""

import logging
import sqlite3
import threading

import pytest

from components import sessions, sign_in, sign_in_limits
from components.sign_in_file import FILE_NAME, SignInFile
from servescope.errors import StoreError
from tests.app.operators import Browser, Site

RIGHT = "/in/open sesame"


@pytest.fixture
def site(tmp_path):
    """`site(password)`: another process, or the same after a restart, on one data folder."""
    return lambda password="open sesame": Site(tmp_path, password)


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def clock(monkeypatch):
    """Epoch seconds as `sign_in` sees them: `clock[0] += 60`."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(sign_in.SignIn.__init__, "__defaults__", ("/", lambda: now[0]))
    return now


def rows(folder, table):
    with sqlite3.connect(folder / FILE_NAME) as connection:
        found = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - ours
    connection.close()
    return found


def test_whoever_signs_in_may_act_in_every_process(site, browser):
    one, other = site(), site()
    assert browser.ask(one, "/may") == "no"
    assert browser.ask(one, RIGHT) == "in"
    assert browser.ask(one, "/may") == browser.ask(other, "/may") == "yes"


def test_a_cookie_taken_before_sign_out_acts_no_longer_in_any_process(site, browser):
    one, other = site(), site()
    browser.ask(one, RIGHT)
    thief = Browser()
    thief.cookies = dict(browser.cookies)
    assert browser.ask(other, "/out") == "out"
    assert browser.cookies == {}
    for process in (one, other, site()):  # a restart is another process
        assert thief.ask(process, "/may") == "no"


def test_a_session_outlives_a_restart_with_the_same_password(site, browser):
    browser.ask(site(), RIGHT)
    assert browser.ask(site(), "/may") == "yes"


def test_another_password_ends_every_session_for_good(site, browser):
    browser.ask(site(), RIGHT)
    assert browser.ask(site("another"), "/may") == "no"
    assert browser.ask(site(), "/may") == "no"  # the former one again opens nothing of before


@pytest.mark.parametrize(
    ("between_uses", "uses", "may"),
    [
        (sessions.IDLE_S - 60, 2, "yes"),
        (sessions.IDLE_S + 1, 1, "no"),
        (sessions.IDLE_S / 2, int(2 * sessions.LONGEST_S / sessions.IDLE_S) + 1, "no"),
    ],
    ids=["in use", "idle", "too old"],
)
def test_a_session_ends_by_itself(site, browser, clock, between_uses, uses, may):
    process = site()
    browser.ask(process, RIGHT)
    for _ in range(uses):
        clock[0] += between_uses
        answer = browser.ask(process, "/may")
    assert answer == may


def test_each_sign_in_has_a_fresh_token_and_ends_the_one_it_came_with(site, browser):
    process = site()
    browser.cookies = {process.board._sign_in.cookie_name: "planted"}
    browser.ask(process, RIGHT)
    (first,) = browser.cookies.values()
    assert first != "planted"
    browser.ask(process, RIGHT)
    (second,) = browser.cookies.values()
    assert second != first
    thief = Browser()
    thief.cookies = dict.fromkeys(browser.cookies, first)
    assert thief.ask(process, "/may") == "no"


def test_the_number_of_sessions_is_bounded_and_the_longest_unused_goes(
    site, clock, tmp_path, monkeypatch
):
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 10)
    process, first, last = site(), Browser(), Browser()
    first.ask(process, RIGHT)
    for _ in range(sessions.MOST_SESSIONS):
        clock[0] += 1
        last.cookies = {}  # so that it has a session more each time
        assert last.ask(process, RIGHT) == "in"
    assert len(rows(tmp_path, "session")) == sessions.MOST_SESSIONS
    assert first.ask(process, "/may") == "no"
    assert last.ask(process, "/may") == "yes"


@pytest.mark.parametrize(
    ("base", "secure"), [("http://a.example", False), ("https://a.example", True)]
)
def test_the_cookie_is_for_this_site_and_no_script_and_behind_https_for_that_alone(
    site, browser, base, secure
):
    process = site()
    for path in (RIGHT, "/out"):
        browser.ask(process, path, base=base)
        (line,) = browser.set_cookie
        attributes = {part.strip() for part in line.split(";")[1:]}
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= attributes
        assert ("Secure" in attributes) is secure


def test_the_cookie_stays_below_the_path_prefix(tmp_path, browser):
    process = Site(tmp_path, "open sesame", path_prefix="/scope")
    for path in (RIGHT, "/out"):
        browser.ask(process, path)
        (line,) = browser.set_cookie
        assert "; Path=/scope/" in line


def test_the_file_tells_neither_token_nor_password_and_is_for_its_owner(site, browser, tmp_path):
    browser.ask(site(), RIGHT)
    (token,) = browser.cookies.values()
    path = tmp_path / FILE_NAME
    written = path.read_bytes()
    assert token.encode() not in written
    assert b"open sesame" not in written
    assert path.stat().st_mode & 0o077 == 0


def test_two_dashboards_on_one_host_have_cookies_of_their_own(tmp_path):
    names = {sign_in.SignIn(tmp_path / folder, "x").cookie_name for folder in ("one", "other")}
    assert len(names) == 2


@pytest.mark.parametrize("given", ["", " ", "open sesame", "x"])
@pytest.mark.parametrize("password", ["", " "])
def test_an_empty_password_signs_nobody_in(site, browser, password, given):
    process = site(password)
    with process.flask.test_request_context("/"):
        assert not process.board.sign_in(given)
    assert browser.ask(process, "/may") == "no"


@pytest.mark.parametrize("given", [None, 5, True, [], {}, ["open sesame"], {"a": 1}])
def test_what_is_no_text_signs_nobody_in(site, given):
    process = site()
    with process.flask.test_request_context("/"):
        assert not process.board.sign_in(given)


@pytest.mark.parametrize(
    ("password", "given", "answer"),
    [
        ("Zugang für Ölmühle ✓", "Zugang für Ölmühle ✓", "in"),
        ("caf\u00e9", "cafe\u0301", "in"),  # the same letters, composed and not
        ("caf\u00e9", "cafe", "wrong"),
        ("open sesame", "open sesame ", "wrong"),
        ("open sesame", "x" * 100_000, "wrong"),
        ("open sesame", "open sesame\0", "wrong"),
    ],
)
def test_passwords_of_any_letters(site, password, given, answer):
    process = site(password)
    with process.flask.test_request_context("/"):
        assert process.board.sign_in(given) is (answer == "in")


def test_half_a_character_is_a_wrong_password(site):
    process = site()
    with process.flask.test_request_context("/"):
        assert not process.board.sign_in("\ud800")


def test_a_guesser_waits_longer_each_time_in_every_process(site, browser, clock):
    one, other = site(), site()
    for delay in (1, 2, 4, 8, 16):
        assert browser.ask(one, "/in/guess") == "wrong"
        clock[0] += delay - 0.5
        assert "Wait a second" in browser.ask(other, RIGHT)  # not looked at: it tells nothing
        clock[0] += 0.5
    assert browser.ask(other, RIGHT) == "in"
    assert browser.ask(one, "/in/guess") == "wrong"
    clock[0] += 1  # who knew the password begins anew
    assert browser.ask(one, RIGHT) == "in"


def test_delays_double_up_to_a_quarter_of_an_hour():
    delays = [sign_in_limits.delay_after(failures, "192.0.2.7") for failures in range(1, 13)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert sign_in_limits.delay_after(10**9, "192.0.2.7") == 900


def test_a_guesser_elsewhere_locks_out_neither_the_operator_here_nor_one_elsewhere(site, clock):
    process, guesser = site(), Browser()
    for _ in range(20):
        guesser.ask(process, "/in/guess")
        clock[0] += sign_in_limits.LONGEST_DELAY_S + 1
        guesser.ask(process, "/in/guess")
    here = {"address": "127.0.0.1", "base": "http://127.0.0.1:8050"}
    assert Browser().ask(process, RIGHT, **here) == "in"
    assert Browser().ask(process, RIGHT, address="198.51.100.9") == "in"
    assert "Wait 15 minutes" in guesser.ask(process, RIGHT)


def test_who_guesses_through_a_proxy_here_locks_out_nobody_who_sits_here(site, clock):
    process = site()
    for _ in range(20):
        Browser().ask(
            process,
            "/in/guess",
            address="127.0.0.1",
            base="http://127.0.0.1:8050",
            headers={"X-Forwarded-For": "192.0.2.7"},
        )
        clock[0] += sign_in_limits.LONGEST_DELAY_S + 1
    assert Browser().ask(process, RIGHT, address="::1", base="http://[::1]:8050") == "in"


def test_at_this_machine_the_delay_stays_short(site, clock):
    process = site()
    here = {"address": "127.0.0.1", "base": "http://127.0.0.1:8050"}
    for _ in range(30):
        Browser().ask(process, "/in/guess", **here)
        clock[0] += 10
    Browser().ask(process, "/in/guess", **here)
    assert "Wait" in Browser().ask(process, RIGHT, **here)
    clock[0] += sign_in_limits.LONGEST_DELAY_HERE_S
    assert Browser().ask(process, RIGHT, **here) == "in"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("no address " * 20, ("no address " * 20)[:64]),
    ],
)
def test_a_client_is_an_address_or_the_network_of_one_subscriber(address, client):
    assert sign_in_limits.client_of(address) == client


def test_what_is_kept_of_guessers_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(sign_in_limits, "MOST_CLIENTS", 50)
    file = SignInFile(tmp_path)
    for number in range(120):
        file.transaction(
            lambda connection, number=number: sign_in_limits.note_failure(
                connection, f"192.0.2.{number}", 1_000.0 + number
            )
        )
    kept = [row[0] for row in rows(tmp_path, "failure")]
    assert len(kept) == 50
    assert f"192.0.2.{119}" in kept


def test_a_clock_that_was_set_back_locks_nobody_out(site, browser, clock):
    process = site()
    for _ in range(5):
        browser.ask(process, "/in/guess")
        clock[0] += 3_600
    browser.ask(process, "/in/guess")
    clock[0] -= 10 * 365 * 86_400
    assert browser.ask(process, RIGHT) == "in"


@pytest.mark.usefixtures("clock")
def test_of_guesses_at_once_one_is_looked_at(site):
    processes = [site() for _ in range(4)]
    answers = []

    def guess(process):
        answers.append(Browser().ask(process, "/in/guess"))

    threads = [
        threading.Thread(target=guess, args=(processes[number % 4],)) for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("wrong") == 1
    assert sum("Wait a second" in answer for answer in answers) == 15


def test_a_failed_attempt_is_told_by_address_and_never_by_password(site, browser, caplog, clock):
    process = site()
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            browser.ask(process, "/in/hunter2")
            clock[0] += sign_in_limits.LONGEST_DELAY_S + 1
        Browser().ask(process, "/in/hunter2", address="198.51.100.9")
    told = [record.message for record in caplog.records if "failed sign-in" in record.message]
    assert len(told) == 2  # one a minute of each address, by the machine's own clock
    assert "192.0.2.7" in told[0]
    assert "198.51.100.9" in told[1]
    assert "hunter2" not in caplog.text
    assert "open sesame" not in caplog.text


def test_signing_in_and_out_is_told_with_the_session(site, browser, caplog):
    with caplog.at_level(logging.INFO, "servescope.audit"):
        browser.ask(site(), RIGHT)
        browser.ask(site(), "/out")
        browser.ask(site(), "/out")
    signed_in, signed_out = [record.message for record in caplog.records]
    assert signed_in.startswith("192.0.2.7 (session ")
    assert signed_in.endswith(") signed in")
    assert signed_out == signed_in.replace("signed in", "signed out")


def test_a_damaged_file_is_begun_anew(site, browser, tmp_path, caplog):
    process = site()
    browser.ask(process, RIGHT)
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 500)
    assert browser.ask(process, "/may") == "no"
    assert "everybody signs in again" in caplog.text
    assert browser.ask(process, RIGHT) == "in"
    assert browser.ask(process, "/may") == "yes"


def test_without_its_file_nobody_acts_and_the_reason_is_told(site, browser, tmp_path):
    process = site()
    browser.ask(process, RIGHT)
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    assert browser.ask(process, "/may") == "no"
    assert "StoreError" in browser.ask(process, RIGHT)
    with pytest.raises(StoreError, match="cannot be used"):
        SignInFile(tmp_path).transaction(lambda _: None)


def test_what_failed_half_way_is_not_kept(tmp_path):
    file = SignInFile(tmp_path)

    def fail(connection):
        sign_in_limits.note_failure(connection, "192.0.2.7", 1.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        file.transaction(fail)
    file.transaction(lambda _: None)
    assert rows(tmp_path, "failure") == []
