"""The page of one request: what it says, also of what is not known or not kept."""

import math
from dataclasses import replace

import pytest

from components import one_request
from servescope.queries.rows import RequestSurroundings, UsualDurations
from servescope.records.server_kinds import ServerKind
from servescope.store.base import KeptDetails
from tests.components.test_parts import ROW, texts

NONE = UsualDurations(0, math.nan, math.nan)
USUAL = RequestSurroundings(
    3_600,
    UsualDurations(250, 0.002, 0.04),
    0.996,
    0.9,
    {"app": NONE},
    UsualDurations(900, 0.005, 0.08),
)


@pytest.fixture(autouse=True)
def paths(app):
    """Paths need a Dash app."""
    del app


def test_the_percentiles_stand_beside_the_stages():
    said = texts(one_request.time_panel(ROW, USUAL))
    assert any(one.startswith("99 % of the 250 requests of /search") for one in said)
    assert said[-3:] == ["10 ms", "5 ms", "80 ms"], "of its listener, as those of the stages"
    app = said.index("app")
    assert said[app + 1 : app + 4] == ["9 ms", "—", "—"]


@pytest.mark.parametrize(
    ("not_slower", "faster", "said"),
    [
        (0.0009, 0.0, "It was among the fastest: none of the 1,024 requests of /search within"),
        (0.004, 0.001, "Fewer than 1 % of the 1,024 requests of /search"),
        (1.0, 0.9, "100 % of the 1,024 requests of /search"),
    ],
    ids=["the fastest", "among the fastest", "the slowest"],
)
def test_the_place_of_a_request_among_its_like_is_true(not_slower, faster, said):
    around = replace(
        USUAL,
        route=UsualDurations(1_024, 0.002, 0.04),
        share_not_slower=not_slower,
        share_faster=faster,
    )
    told = texts(one_request.time_panel(ROW, around))
    assert any(one.startswith(said) for one in told)
    assert not any(one.startswith("0 %") for one in told)


@pytest.mark.parametrize(
    ("status", "title"),
    [(503, "Turned away unread: too many connections"), (400, "No request was read")],
)
def test_a_request_that_nobody_read_is_said_in_words(status, title):
    unread = replace(ROW, method="OTHER", target="", route="other", status=status)
    assert texts(one_request.heading(unread))[0] == title
    in_stages = texts(one_request.time_panel(unread, USUAL))
    assert ("app" in in_stages) == (status != 503), "one that was turned away passed no stage"
    assert any("sent before a request was read" in one for one in in_stages)
    said = texts(one_request.answer_panel(unread, ServerKind.LISTENER))
    assert said[said.index("Route") + 1] == "other route, or none read"


def test_what_the_recorder_of_an_app_does_not_measure_is_no_zero():
    row = replace(ROW, stages_s={"queue": 0.0, "app": 0.009, "body": 0.0})
    around = replace(USUAL, unmeasured=frozenset({"queue"}))
    told = texts(one_request.time_panel(row, around))
    assert told[told.index("queue") + 1] == "not measured"
    assert told[told.index("body") + 1] == "0 µs"


def test_a_request_that_has_no_like_says_so():
    alone = replace(USUAL, route=UsualDurations(1, math.nan, math.nan), share_not_slower=1.0)
    assert any(
        "No other request of /search" in one for one in texts(one_request.time_panel(ROW, alone))
    )


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (None, "not recorded"),
        (0, "none: it was the first request"),
        (1, "1 request"),
        (1_200, "1,200 requests"),
    ],
)
def test_the_requests_before_it_on_its_connection(before, said):
    found = texts(one_request.origin_panel(replace(ROW, requests_before=before)))
    assert found[found.index("Before it on this connection") + 1] == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"flags": ("tls",), "cipher_suite": 0x1302}, "TLS 1.3, TLS_AES_256_GCM_SHA384"),
        ({"flags": ("tls",)}, "yes; its version was not recorded"),
        ({"flags": ()}, "none on this connection"),
        ({"flags": (), "requests_before": None}, "not recorded"),
    ],
    ids=["known", "recorded by an older version", "none", "by the recorder of an app"],
)
def test_the_tls_of_its_connection(facts, said):
    found = texts(one_request.origin_panel(replace(ROW, **{"requests_before": 0, **facts})))
    assert found[found.index("TLS") + 1] == said


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "No request is kept now"),
        (KeptDetails(51, 0, 90), "no longer kept"),
        (KeptDetails(1, 0, 49), "no request of this number yet"),
        (KeptDetails(1, 0, 90), "Requests before and after it are kept"),
    ],
    ids=["nothing is kept", "older", "newer", "a gap"],
)
def test_a_request_that_is_not_there_says_why(kept, why):
    said = texts(one_request.not_kept(50, kept))
    assert said[0] == "Request 50 is not here"
    assert any(why in one for one in said)


def test_it_leads_on_to_its_moment_and_to_requests_like_it():
    row = replace(ROW, end_s=1_800_000_000.7, status=404, total_s=0.0123)
    links = {one.children: one.href for one in one_request.heading(row).children[1].children}
    assert links == {
        "Graphs then": "/?from=1799999970&to=1800000030",
        "Requests then": "/requests?from=1799999970&to=1800000030#log",
        "Similar": "/requests?listener=wsgi&route=%2Fsearch&status=404&from=1799998200&to=1800001800#log",  # noqa: E501 - an address
        "Slower": "/requests?slower=12.3+ms&order=-took&from=1799998200&to=1800001800#log",
        "All requests": "/requests",
    }
