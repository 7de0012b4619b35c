"""The parts of a page in the document: layout, callbacks, and the first answer in its place."""

from __future__ import annotations

import json
import re

import pytest

from components.first_load import view_of

BLOCK = re.compile(r'<script type="application/json" id="first-load">(.*?)</script>', re.DOTALL)


@pytest.fixture
def brought(app):
    """Ask for a page; the data of its document, None where it has none."""

    def ask(path):
        found = BLOCK.search(app.server.test_client().get(path).get_data(as_text=True))
        return found and json.loads(found[1])

    return ask


def nodes(tree):
    """All components below a part of a layout."""
    if isinstance(tree, dict):
        if "namespace" in tree:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for entry in tree:
            yield from nodes(entry)


def by_id(layout):
    return {node["props"]["id"]: node["props"] for node in nodes(layout) if "id" in node["props"]}


@pytest.mark.parametrize("path", ["/", "/requests", "/latency", "/ports", "/host", "/load"])
def test_the_layout_holds_the_page_and_its_first_answer(brought, path):
    data = brought(path)
    components = by_id(data["layout"])
    assert components["_pages_content"]["children"]["props"]["className"] == "live-page"
    assert components["_pages_store"]["data"]["title"].endswith(" · Servescope")
    answered = data["answer"]["props"]
    placed = answered.keys() & components.keys()
    assert {"processes", "notices"} <= placed
    for name in placed:
        values = answered[name].items()
        assert {key: components[name][key] for key, value in values if key != "tree"} == {
            key: value for key, value in values if key != "tree"
        }


def test_the_callbacks_are_those_that_dash_tells(app, brought):
    assert brought("/")["dependencies"] == app.server.test_client().get("/_dash-dependencies").json


def test_a_page_that_does_not_poll_has_no_answer(brought):
    assert brought("/sign-in")["answer"] is None


def test_an_address_without_a_page_is_left_to_dash(app, brought):
    assert brought("/none-of-ours") is None
    assert "_pages_content" in by_id(app.server.test_client().get("/_dash-layout").json)


def test_no_text_of_an_address_ends_the_element(brought):
    told = "</script><script>"
    data = brought(f"/?host={told}")
    assert data["view"]["host"] == told


@pytest.mark.parametrize(
    ("written", "view"),
    [
        pytest.param({}, {}, id="the default"),
        ({"last": "15m"}, {"last": "15m"}),
        ({"last": "90 days"}, {}),
        ({"host": "far", "compare": "before"}, {"host": "far", "compare": "before"}),
        ({"compare": "never"}, {}),
        ({"from": "100", "to": "200"}, {"from": 100, "to": 200}),
        ({"from": "200", "to": "100"}, {}),
        ({"from": "start", "to": "now"}, {"from": "start", "to": "now"}),
        ({"from": "100", "to": "now"}, {"from": 100, "to": "now"}),
        ({"from": "start", "to": "200"}, {}),
        ({"from": "soon", "to": "later"}, {}),
    ],
)
def test_a_view_is_read_as_the_browser_reads_it(written, view):
    assert view_of(written) == {"last": "5m", "host": "", **view}
