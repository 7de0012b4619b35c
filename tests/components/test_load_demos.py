"""Demos on a page: whether they can be started, and what no page asks for."""

from components import forms, load_demos
from tests.components.test_parts import texts


def test_while_load_is_under_way_none_can_be_started():
    assert load_demos.props("load", is_busy=True, has_listener=True) == {
        "load-demos": {"disabled": True},
        "load-demos-busy": {"children": load_demos.BUSY},
    }
    idle = load_demos.props("load", is_busy=False, has_listener=True)
    assert idle == {"load-demos": {"disabled": False}, "load-demos-busy": {"children": ""}}


def test_without_a_listener_it_says_which_demos_can_be_started(app):
    with app.server.test_request_context("/"):
        found = load_demos.props("load", is_busy=False, has_listener=False)
    assert found["load-demos"] == {"disabled": False}
    said = texts(found["load-demos-busy"]["children"])
    assert "".join(said) == load_demos.NO_LISTENER


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
