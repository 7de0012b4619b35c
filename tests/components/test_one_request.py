"""The page of one request: what it says, also of what is not known or not kept."""

import math
from dataclasses import replace

import pytest

from components import one_request
from servescope.queries.rows import RequestSurroundings, UsualDurations
from servescope.store.base import KeptDetails
from tests.components.test_parts import ROW, texts

NONE = UsualDurations(0, math.nan, math.nan)
USUAL = RequestSurroundings(3_600, UsualDurations(250, 0.002, 0.04), 0.996, {"app": NONE})


@pytest.fixture(autouse=True)
def paths(app):
    """Paths need a Dash app."""
    del app


def test_the_percentiles_stand_beside_the_stages():
    said = texts(one_request.time_panel(ROW, USUAL))
    assert any(one.startswith("99 % of the 250 requests of /search") for one in said)
    assert said[-3:] == ["10 ms", "2 ms", "40 ms"]
    app = said.index("app")
    assert said[app + 1 : app + 4] == ["9 ms", "—", "—"]


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
