"""The cards of the overview say what their figures are of, or why there is none."""

import sys
from types import SimpleNamespace

import pytest

from components.cards import stat
from servescope.findings import findings
from servescope.findings.evidence import (
    DashboardEvidence,
    Evidence,
    HostEvidence,
    ListenerEvidence,
    TotalsEvidence,
)
from servescope.records.listeners import ListenerState
from tests.listener_statuses import POOL
from tests.page_files import live_pages


@pytest.fixture
def notes(app):
    """The note below each card's figure, by the card's name, for some totals."""
    del app  # a page imported before the app exists raises PageError
    live_pages()
    page = sys.modules["pages.overview"]

    def of(totals, host=None, *, is_past=False):
        evidence = Evidence(40, None, totals=totals, host=host or HostEvidence(), is_past=is_past)
        props = page._cards(evidence, findings(evidence))
        return SimpleNamespace(
            **{
                name: props[f"{name}-note"]["children"].replace("\N{NO-BREAK SPACE}", " ")
                for name in ("requests", "errors", "p95", "p99", "queue", "cpu", "memory")
            }
        )

    return of


def test_they_say_how_many_requests_were_not_read(notes):
    said = notes(TotalsEvidence(4_416, 3_239, 3_239, 33.4, 47.2, 51.5))
    assert said.p95 == "in 40 s; half took up to 33.4 s"
    assert said.p99 == "of 1,177 requests read in 40 s, without 3,239 unread"


def test_a_bound_is_said_in_words(notes):
    assert (
        notes(TotalsEvidence(100, 0, 0, 64.0, 64.0, 64.0)).p95 == "in 40 s; half took at least 64 s"
    )


def test_no_answer_is_the_reason_of_no_share_of_errors(notes):
    assert notes(TotalsEvidence(0, 0, 0)).errors == "none answered in 40 s"


def test_beside_the_errors_stand_answers_to_nobody_and_requests_without_one(notes):
    gone = notes(TotalsEvidence(184, 0, 0, answers_to_nobody=180))
    assert gone.errors == "5xx in 40 s; 180 reached nobody"
    assert gone.requests == "mean of 40 s; 4.5 req/s reached nobody"
    assert notes(TotalsEvidence(184, 0, 0)).requests == "mean of 40 s"
    both = notes(TotalsEvidence(1_300, 0, 0, unanswered=1_100, answers_to_nobody=3))
    assert both.errors == "5xx in 40 s; 3 reached nobody; 1,100 got no answer"
    none = notes(TotalsEvidence(7, 0, 0, unanswered=7))
    assert none.errors == "none answered in 40 s of 7 requests"


def test_requests_without_an_answer_are_not_answered_and_no_share_of_errors_has_them(app):
    del app
    live_pages()
    totals = TotalsEvidence(500, 50, 0, unanswered=400)
    evidence = Evidence(5, None, totals=totals)
    props = sys.modules["pages.overview"]._cards(evidence, findings(evidence))
    assert props["requests-value"]["children"] == "20"
    assert (props["errors-value"]["children"], props["errors-unit"]["children"]) == ("50", "%")


def test_of_a_past_without_data_nothing_was_measured(notes):
    said = notes(TotalsEvidence(0, 0, 0), is_past=True)
    assert (said.errors, said.queue, said.cpu) == ("not measured",) * 3


def test_they_say_of_when_the_figures_of_host_and_queue_are(notes):
    none = notes(TotalsEvidence(3, 0, 0), HostEvidence(0.5, memory_utilization=0.1))
    assert (none.queue, none.cpu, none.memory) == (
        "no port measured in 40 s",
        "mean of 40 s",
        "used, mean of 40 s",
    )
    without_backlog = notes(TotalsEvidence(3, 0, 0, accept_queue_depth=0))
    assert without_backlog.queue == "deepest in 40 s"
    said = notes(
        TotalsEvidence(3, 0, 0, accept_queue_depth=32, accept_backlog=128),
        HostEvidence(0.5, memory_utilization=0.1, load_average=6.41),
    )
    assert (said.queue, said.cpu) == (
        "fullest in 40 s; 25 % of backlog",
        "mean of 40 s; load average 6.41",
    )
    limited = notes(
        TotalsEvidence(3, 0, 0),
        HostEvidence(
            0.5, memory_utilization=0.1, container_cpu_ratio=0.8, container_memory_ratio=1
        ),
    )
    assert (limited.cpu, limited.memory) == (
        "mean of 40 s; 80 % of our limit",
        "mean of 40 s; 100 % of our limit",
    )


def test_no_line_of_a_note_ends_between_a_number_and_its_unit():
    note = stat("one", 1.0, "1", note="fullest in 5 s; 0 % of backlog, 2 min 40 s of 163 seconds")
    kept = ("5\N{NO-BREAK SPACE}s;", "0\N{NO-BREAK SPACE}%", "2\N{NO-BREAK SPACE}min")
    assert all(one in note["one-note"]["children"] for one in kept)
    assert "163 seconds" in note["one-note"]["children"]


@pytest.mark.parametrize(
    ("listener", "totals", "figures", "notes"),
    [
        (
            ListenerEvidence("wsgi", requests=200, answers_to_nobody=200),
            TotalsEvidence(200, 0, 0, answers_to_nobody=200),
            {},
            {"requests": "bad", "errors": "bad"},  # of 0 % that reached somebody
        ),
        (
            ListenerEvidence("wsgi", requests=200, answers_to_nobody=40),
            TotalsEvidence(200, 0, 0, answers_to_nobody=40),
            {},
            {"requests": "warn", "errors": "warn"},
        ),
        (
            ListenerEvidence("wsgi", requests=200, unanswered=100, left=100),
            TotalsEvidence(200, 0, 0, unanswered=100),
            {},
            {"errors": "bad"},
        ),
        (
            ListenerEvidence("wsgi", requests=1, server_errors=1),
            TotalsEvidence(1, 1, 0),
            {"errors": "warn"},  # one alone, whatever its share
            {"errors": "warn"},
        ),
        (
            ListenerEvidence("wsgi", requests=200, server_errors=1, answers_to_nobody=150),
            TotalsEvidence(200, 1, 0, answers_to_nobody=150),
            {"errors": "warn"},
            {"requests": "bad", "errors": "bad"},
        ),
        (
            ListenerEvidence("wsgi", open_connections=1_263, left_connections=1_263),
            TotalsEvidence(0, 0, 0, open_connections=1_263, left_connections=1_263),
            {},
            {"connections": "bad"},
        ),
        (
            ListenerEvidence("wsgi", accept_queue_depth=9, accept_backlog=10),
            TotalsEvidence(0, 0, 0, accept_queue_depth=9, accept_backlog=10),
            {"queue": "bad"},
            {"queue": "bad"},
        ),
        (
            ListenerEvidence("wsgi", state=ListenerState.STOPPED),
            TotalsEvidence(0, 0, 0),
            {"requests": "bad"},
            {"requests": "bad"},
        ),
        (ListenerEvidence("wsgi", requests=200), TotalsEvidence(200, 0, 0), {}, {}),
    ],
)
def test_a_figure_and_the_note_below_it_have_the_colour_of_what_judges_each(
    app, listener, totals, figures, notes
):
    del app
    live_pages()
    evidence = Evidence(5, DashboardEvidence(0.4), [listener], totals=totals)
    props = sys.modules["pages.overview"]._cards(evidence, findings(evidence))

    def coloured(part):
        states = {
            name.removesuffix(f"-{part}"): one["className"].removeprefix(f"stat-{part}").strip()
            for name, one in props.items()
            if name.endswith(f"-{part}")
        }
        return {name: state for name, state in states.items() if state}

    assert coloured("value") == figures
    assert coloured("note") == notes


def test_while_no_listener_runs_the_cards_say_so_in_place_of_what_was_not_measured(app):
    del app
    live_pages()
    stopped = ListenerEvidence("wsgi", state=ListenerState.STOPPED)
    cards = sys.modules["pages.overview"]._cards
    for totals in (TotalsEvidence(0, 0, 0), None):
        evidence = Evidence(5, DashboardEvidence(0.4), [stopped], totals=totals)
        props = cards(evidence, findings(evidence))
        for name in ("requests", "errors", "p95", "p99", "connections", "queue"):
            assert props[f"{name}-note"]["children"] == "no listener runs"
    just_before = Evidence(5, DashboardEvidence(0.4), [stopped], totals=TotalsEvidence(40, 0, 0))
    props = cards(just_before, findings(just_before))
    assert "mean" in props["requests-note"]["children"]


@pytest.mark.parametrize("listeners", [[POOL], []], ids=["one runs", "none runs"])
def test_before_its_first_answer_the_page_proposes_what_can_be_done(app, monkeypatch, listeners):
    live_pages()
    page = sys.modules["pages.overview"]
    monkeypatch.setattr(page, "_lasting", lambda _context: listeners)
    with app.server.test_request_context("/", environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        parts = {getattr(part, "id", ""): part for part in page.layout()._traverse()}
    assert parts["overview-start"].disabled is not bool(listeners)
    shown = {name for name, part in parts.items() if getattr(part, "style", None) == page.INLINE}
    hints = {"first-visit-none", "overview-start-hint"}
    assert shown & {"first-visit-idle", "first-visit-busy", *hints} == (
        {"first-visit-idle"} if listeners else hints
    )
