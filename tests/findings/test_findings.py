"""Every case of evidence gives its findings, no others, and each carries its figures."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.findings import Evidence, findings
from servescope.findings.evidence import (
    PAST_FORMS,
    DashboardEvidence,
    HostEvidence,
    ListenerEvidence,
)
from servescope.findings.finding import Severity
from servescope.findings.thresholds import THRESHOLDS
from servescope.queries import request_search
from tests.findings.cases import CASES, CURRENT, MOMENTS, PATHS

FIGURELESS = {
    "listener-down",
    "listener-gone",
    "listener-stopped",
    "no-such-listener",
    "run-failed",
    "nothing-sent",
    "latency-incomparable",
}
"""Findings without a measured figure."""


@pytest.mark.parametrize("name", CASES)
def test_the_evidence_gives_its_findings_and_no_others(name: str):
    evidence, expected, topic = CASES[name]
    found = findings(evidence, topic)
    assert {one.code: one.severity.value for one in found} == {
        code: state for code, (state, _) in expected.items()
    }, [one.sentence for one in found]
    for one in found:
        assert expected[one.code][1] in one.sentence


@pytest.mark.parametrize("name", CASES)
def test_a_finding_is_a_sentence_with_figures_and_a_link(name: str):
    for one in findings(CASES[name].evidence, CASES[name].topic):
        assert re.fullmatch(r"[A-Za-z\d].*\.", one.sentence), one.sentence
        assert one.evidence or one.code in FIGURELESS, one.code
        assert one.link.startswith("/")
        assert one.subject


SHOWN_ON = {
    "/": "no-data no-data-in-span nothing-wrong ports-well requests-lost silent-host stale-data",
    "/host": "capacity-limit container-cpu container-memory core cpu memory target-limit",
    "/latency": "capacity-limit clocks-disagree different-requests held-in-app held-in-body "
    "held-in-kernel held-in-queue held-in-read held-in-write kernel-wait none-held path-unknown "
    "slow span-empty span-kernel-wait span-not-recorded span-slow span-thread-wait "
    "span-well unexplained",
    "/load": "capacity-at-least capacity-found capacity-generator capacity-less-than "
    "capacity-undecided closed-model connections-limited fell-behind generator-busy generator-late "
    "generator-limited kept-up messages-failed nothing-sent rate-unknown requests-awaited "
    "requests-failed rule-failed rule-unknown run-client-errors run-failed run-server-errors "
    "sent-by-others "
    "started-busy stopped-early waited-to-be-sent",
    "/?listener=wsgi#path": "clients-left",
    "/ports": "accept-queue capacity-limit connection-limit held-in-queue "
    "ports-unknown threads-busy threads-exhausted turned-away",
    "/requests?listener=wsgi&status=client+gone": "answers-to-nobody span-answers-to-nobody",
    "/requests?listener=wsgi&status=no+answer": "no-answer span-no-answer",
    "/requests?listener=wsgi&status=4xx": "refused-by-limits",
    "/requests?listener=wsgi&status=413": "refused-by-limits",
    "/requests?listener=wsgi&status=5xx": "server-errors span-errors",
    "/servers": "listener-down listener-gone listener-stopped no-such-listener none-runs "
    "not-as-asked not-listening stopped-port-taken",
    "/servers#compare": "cost-differs fell-behind generator-limited latency-alike latency-differs "
    "latency-incomparable requests-failed run-server-errors target-limit target-not-limited",
}
"""By the address where a person sees their figures, the codes of findings. Two lead to several
pages: a limit is seen where that which is limited stands."""


def test_a_finding_leads_to_where_its_figures_stand():
    led: dict[str, set[str]] = {}
    for case in CASES.values():
        for one in findings(case.evidence, case.topic):
            address = re.sub(r"^(/latency)\?listener=\w+", r"\1", one.link)
            led.setdefault(address, set()).add(one.code)
    assert led == {address: set(codes.split()) for address, codes in SHOWN_ON.items()}


@pytest.mark.parametrize("name", [link for link in SHOWN_ON if link.startswith("/requests")])
def test_a_link_to_the_request_log_narrows_it(name: str):
    given = dict(parse_qsl(urlsplit(name).query))
    search, faults = request_search.read(given)
    assert (search.listener, search.status, faults) == ("wsgi", given["status"], [])


@pytest.mark.parametrize("name", [*MOMENTS, *PATHS])
def test_a_finding_about_a_past_span_is_in_the_past_tense(name: str):
    evidence = replace(CASES[name].evidence, is_past=True, dashboard=None, fleet=())
    # Of the past no states of listeners are known: `gathering` gives none that failed or stopped.
    of_now = {"listener-down", "no-data-in-span"}
    for one in findings(evidence, CASES[name].topic):
        words = set(re.findall(r"(?<!\bto )\b[a-z]+", one.sentence))  # no infinitives
        assert one.code in of_now or not words & PAST_FORMS.keys(), one.sentence


def test_there_are_at_least_sixty_cases():
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_the_most_urgent_comes_first(name: str):
    case = CASES[name]
    ranks = [one.severity.rank for one in findings(case.evidence, case.topic)]
    assert ranks == sorted(ranks)


numbers = st.none() | st.floats(0, 1e6, allow_nan=False)
listeners = st.builds(
    ListenerEvidence,
    name=st.sampled_from(["wsgi", "asgi"]),
    threads=st.none() | st.integers(1, 64),
    busy_threads=numbers,
    queued_requests=numbers,
    requests=st.integers(0, 10**6),
    server_errors=st.integers(0, 10**6),
    p95_s=numbers,
    kernel_wait_s=numbers,
    accept_queue_depth=numbers,
    accept_backlog=numbers,
)


@given(st.lists(listeners, max_size=4), numbers)
def test_nothing_wrong_is_said_only_when_nothing_else_is(some: list[ListenerEvidence], cpu: float):
    found = findings(Evidence(dashboard=CURRENT, listeners=some, host=HostEvidence(cpu)))
    urgent = [one for one in found if one.severity not in {Severity.NOTE, Severity.GOOD}]
    assert bool(urgent) != ("nothing-wrong" in {one.code for one in found})


@given(st.lists(listeners, max_size=4), st.floats(5, 1e9))
def test_old_data_is_never_judged(some: list[ListenerEvidence], age_s: float):
    found = findings(Evidence(dashboard=DashboardEvidence(age_s), listeners=some))
    assert [one.code for one in found] == ["stale-data"]


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_threshold_has_a_reason_and_its_limits_in_order(name: str):
    threshold = THRESHOLDS[name]
    assert threshold.warn <= threshold.bad
    assert len(threshold.reason) > 40
    assert threshold.severity(None) is Severity.UNKNOWN
    assert threshold.severity(threshold.bad) is Severity.BAD
    assert threshold.severity(threshold.warn * 0.999) is Severity.GOOD
    assert threshold.severity(threshold.warn + 1e-9) in {Severity.WARN, Severity.BAD}
