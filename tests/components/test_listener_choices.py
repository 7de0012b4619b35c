"""The listeners that load may be aimed at, as a form offers them."""

from dataclasses import replace

import pytest

from components.listener_choices import PANEL, choices, not_running, preferred
from servescope.records.listeners import ListenerState
from tests.listener_statuses import LOOP, POOL

STOPPED = replace(LOOP, state=ListenerState.STOPPED)
COMPARED = replace(POOL, name="compare-prefork", is_temporary=True)
SAID = "loop is stopped, and cannot be chosen: start it on the page Servers."


def text(children):
    return "".join(one if isinstance(one, str) else one.children for one in children)


def test_one_that_does_not_run_says_so_and_cannot_be_chosen():
    stopped = {"value": "loop", "label": "loop (stopped)", "disabled": True}
    assert choices([POOL, STOPPED, COMPARED]) == ["pool", stopped]


def test_the_first_choice_runs_where_any_does():
    assert preferred([STOPPED, POOL], "pool") == "pool"
    assert preferred([STOPPED, POOL], "loop") == "pool"
    assert preferred([STOPPED], "pool") == "loop"
    assert preferred([STOPPED, replace(POOL, state=ListenerState.FAILED)], "pool") == "pool"
    assert preferred([COMPARED], "wsgi") == "wsgi", "there is none to aim at"


@pytest.mark.usefixtures("app")
def test_on_the_page_at_hand_the_way_leads_to_its_panel():
    told = not_running([POOL, STOPPED], is_here=True)
    assert text(told) == "loop is stopped, and cannot be chosen: start it in the panel Listeners."
    assert told[1].href == f"#{PANEL}"
    failed = replace(POOL, state=ListenerState.FAILED)
    assert (
        text(not_running([failed], is_here=True))
        == "pool failed, and cannot be chosen: see the panel Listeners."
    )


@pytest.mark.usefixtures("app")
def test_the_way_to_start_one_is_told_while_it_does_not_run():
    assert not_running([POOL, LOOP, replace(COMPARED, state=ListenerState.STARTING)]) == []
    assert text(not_running([POOL, STOPPED])) == SAID
    failed = replace(POOL, state=ListenerState.FAILED)
    assert (
        text(not_running([failed, STOPPED]))
        == "pool failed; loop is stopped, and cannot be chosen: see the page Servers."
    )
    assert text(not_running([failed])) == "pool failed, and cannot be chosen: see the page Servers."
    two = [replace(POOL, state=ListenerState.STOPPED), STOPPED]
    assert (
        text(not_running(two))
        == "pool, loop are stopped, and cannot be chosen: start them on the page Servers."
    )
