"""Sentences that name a page lead to it."""

import dash
import pytest

from components import forms
from components.page_links import PATHS, linked

pytestmark = pytest.mark.usefixtures("app")


def test_each_page_of_the_table_is_a_page():
    pages = {page["name"]: page["path"] for page in dash.page_registry.values()}
    assert {name: pages[name] for name in PATHS} == PATHS


def test_a_name_behind_the_word_page_becomes_a_link():
    before, link, after = linked("No run yet: start one on the page Load.")
    assert (before, after) == ("No run yet: start one on the page ", ".")
    assert (link.children, link.href) == ("Load", "/load")
    assert linked("the page Servers")[-1].href == "/servers"


@pytest.mark.parametrize("text", ["Load run 7 was asked for.", "the page Loading", ""])
def test_another_text_stays_a_text(text):
    assert linked(text) == text


def test_the_answer_of_a_form_leads_to_the_page_that_it_names():
    told, _ = forms.refused("The listener 'x' is stopped; start it on the page Servers.")
    assert [one.href for one in told if not isinstance(one, str)] == ["/servers"]
