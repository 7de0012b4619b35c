"""Demos on a page: which can be started, why the others cannot, and what no page asks for."""

from dataclasses import replace

import pytest

from components import forms, load_demos
from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_SITE, BUNDLED_WSGI
from servescope.actions.load_demos import DEMOS, ComparisonDemo
from servescope.records.listeners import ListenerState
from tests.components.test_parts import texts

ALL = set(DEMOS)
COMPARISONS = {name for name, demo in DEMOS.items() if isinstance(demo, ComparisonDemo)}


@pytest.fixture
def each(running):
    """A listener that runs for each bundled app."""
    return [replace(running, app=app) for app in (BUNDLED_WSGI, BUNDLED_ASGI, str(BUNDLED_SITE))]


@pytest.fixture
def props(app):
    def of(statuses, *, is_busy=False):
        with app.server.test_request_context("/"):
            return load_demos.props("load", statuses, is_busy=is_busy)

    return of


def disabled(found):
    return {name for name in ALL if found[f"load-demo-{name}-starting"]["disabled"]}


def said(found):
    children = found["load-demos-busy"]["children"]
    return children if isinstance(children, str) else "".join(texts(children))


def test_while_load_is_under_way_none_can_be_started(props, each):
    found = props(each, is_busy=True)
    assert found["load-demos"] == {"disabled": True}
    assert said(found) == load_demos.BUSY


def test_each_can_be_started_where_every_app_is_hosted(props, each):
    found = props(each)
    assert found["load-demos"] == {"disabled": False}
    assert not disabled(found)
    assert said(found) == ""


def test_where_nothing_runs_only_the_comparisons_can_be_started(props, each):
    stopped = [replace(one, state=ListenerState.STOPPED) for one in each]
    for statuses in ([], stopped):
        found = props(statuses)
        assert disabled(found) == ALL - COMPARISONS
        assert f"{len(ALL - COMPARISONS)} demos cannot be started" in said(found)


def test_where_one_app_is_not_hosted_its_demos_alone_cannot_be_started(props, each):
    found = props([one for one in each if one.app != str(BUNDLED_SITE)])
    assert disabled(found) == {"static"}
    assert said(found) == (
        f"1 demo cannot be started: no running listener hosts {BUNDLED_SITE}. "
        "Start one on the page Servers."
    )


def test_each_button_is_disabled_for_who_may_not_act_and_says_why():
    listed = load_demos.demo_list("load", "sign in first")
    buttons = [one for one in listed._traverse() if type(one).__name__ == "Button"]
    assert buttons
    assert all(button.disabled for button in buttons)
    answer = next(
        one for one in listed._traverse() if getattr(one, "id", "") == "load-demos-answer"
    )
    assert answer.children == "Sign in first."


def test_a_demo_that_no_page_offers_is_refused(app):
    with app.server.test_request_context("/"):
        assert load_demos.start("nothing") == forms.refused("There is no such demo.")
