"""Every page registers, has a title of its own, builds, and answers its poll."""

import json
import sys
from collections import Counter

import dash
import pytest

from servescope.figures import theme
from tests.page_files import PAGES, live_pages, pages_in_navigation
from tests.waiting import eventually

PATHS = [page.path for page in pages_in_navigation()]
LIVE = [page.module for page in live_pages()]


@pytest.fixture(scope="module")
def pages(app):
    del app  # a page imported before the app exists raises PageError
    return {page["relative_path"]: page for page in dash.page_registry.values()}


@pytest.fixture(scope="module")
def dependencies(app):
    return app.server.test_client().get("/_dash-dependencies").get_json()


def ids(component):
    return Counter(str(one.id) for one in component._traverse() if getattr(one, "id", None))


def test_the_pages_are_those_of_the_files(pages):
    # A file of several pages, the chapters, names each of them behind its own name.
    assert {".".join(page["module"].split(".")[:2]) for page in pages.values()} == {
        f"pages.{file.stem}" for file in PAGES.glob("*.py")
    }
    live = [path for path, page in pages.items() if page["order"] is not None]
    assert sorted(live, key=lambda path: pages[path]["order"]) == PATHS
    assert [pages[path]["name"] for path in PATHS] == [one.name for one in pages_in_navigation()]
    assert PATHS[0] == "/"


def test_each_page_declares_the_graphs_that_its_file_names(pages):
    for page in live_pages():
        declared = [graph.id for graph in sys.modules[pages[page.path]["module"]].GRAPHS]
        assert set(page.graphs) <= set(declared)
        assert page.graphs[0] == declared[0]


def test_a_title_names_what_tells_the_lines_apart_in_one_way(pages):
    """A comma stands before a unit alone, as in `CPU by core, %`."""
    titles = {
        graph.title
        for page in live_pages()
        for graph in sys.modules[pages[page.path]["module"]].PAGE.graphs
    }
    assert "Requests per second by listener" in titles
    assert [title for title in titles if ", by " in title] == []


def test_a_listener_has_its_one_colour_in_every_graph_by_listener(pages):
    graphs = [
        graph
        for page in live_pages()
        for graph in sys.modules[pages[page.path]["module"]].PAGE.graphs
        if "by listener" in graph.title
    ]
    assert {graph.id for graph in graphs} >= {"ports-bytes", "servers-rate", "websocket-open"}
    names = ("books", "shop", "wsgi", "app")
    expected = {
        name: style.colour for name, style in zip(names, theme.by_listener(names), strict=True)
    }
    for graph in graphs:
        for alone in names:
            (style,) = graph.plot.listener_styles([alone], {})
            assert style.colour == expected[alone], graph.id


def test_durations_of_the_newest_runs_stand_whole_and_their_table_does_not_scroll(pages):
    del pages  # they import the page
    columns = {one["field"]: one["minWidth"] for one in sys.modules["pages.load"].HISTORY}
    room = {columns[name] for name in ("p50", "p99", "naive", "max")}
    assert min(room) >= 98, "9 characters of 7.5 px, and the padding of a cell"
    assert sum(columns.values()) <= 1_180, "as wide as it is in a window of 1,440 px"


def test_every_page_has_a_title_of_its_own(pages):
    titles = [page["title"] for page in pages.values()]
    assert len(set(titles)) == len(titles)
    assert all(title.endswith("· Servescope") for title in titles)


def test_no_id_occurs_twice(app, pages):
    with app.server.test_request_context():
        shell = ids(app.layout())
        for path, page in pages.items():
            both = shell + ids(page["layout"](last="1h"))
            assert [name for name, times in both.items() if times > 1] == [], path


def test_the_navigation_leads_to_every_page_but_not_to_the_missing_one(app):
    with app.server.test_request_context():
        links = [part.href for part in app.layout()._traverse() if type(part).__name__ == "NavLink"]
    assert links == [
        path for page in PATHS for path in ([page, "/runs"] if page == "/load" else [page])
    ]


def test_each_graph_panel_has_an_explanation_and_an_empty_state(app, pages):
    with app.server.test_request_context():
        for path in PATHS:
            for part in pages[path]["layout"]()._traverse():
                if getattr(part, "className", "") == "live-graph":
                    assert getattr(part, "data-empty"), part.id
                    assert getattr(part, "aria-label"), part.id


@pytest.mark.parametrize("name", LIVE)
def test_a_poll_without_a_cursor_is_answered(app, dependencies, name):
    output = f"{name}-delta.data"
    (poll,) = (
        one for one in dependencies if one["output"] == output and not one["clientside_function"]
    )
    values = {"tick": 1, "view": {"last": "5m"}}
    body = {
        "output": output,
        "outputs": {"id": f"{name}-delta", "property": "data"},
        "changedPropIds": ["tick.n_intervals"],
        "inputs": [one | {"value": values.get(one["id"])} for one in poll["inputs"]],
        "state": [one | {"value": None} for one in poll["state"]],
    }
    answer = app.server.test_client().post("/_dash-update-component", json=body)
    assert answer.status_code == 200
    told = json.loads(answer.get_json()["response"][f"{name}-delta"]["data"]["text"])
    assert "pid" in json.dumps(told["props"]["processes"]["children"])
    assert told["page"] == name


def test_a_page_has_one_poll(dependencies):
    polls = [
        one["output"]
        for one in dependencies
        if any(given["id"] == "tick" for given in one["inputs"])
    ]
    modules = (sys.modules[f"pages.{file.stem}"] for file in PAGES.glob("*.py"))
    names = [module.PAGE.name for module in modules if hasattr(module, "PAGE")]
    assert set(LIVE) < set(names)
    assert sorted(polls) == sorted(f"{name}-delta.data" for name in names)


def is_disabled(page, button):
    (found,) = (part for part in page["layout"]()._traverse() if getattr(part, "id", "") == button)
    return found.disabled


@pytest.mark.parametrize(("address", "disabled"), [("127.0.0.1", False), ("192.0.2.7", True)])
@pytest.mark.parametrize(
    ("path", "button"),
    [("/", "overview-start"), ("/load", "load-start"), ("/servers", "server-apply")],
)
def test_who_may_not_act_is_told_why_and_finds_the_buttons_disabled(
    app, pages, path, button, address, disabled
):
    with app.server.test_request_context(path, environ_base={"REMOTE_ADDR": address}):
        # Until the first listener runs there is nothing to load for anybody.
        eventually(lambda: is_disabled(pages[path], button) is disabled)


def test_what_holds_extremes_is_drawn_beside_them_not_on_top(pages):
    drawn = {graph.id: graph.plot for graph in sys.modules[pages["/host"]["module"]].GRAPHS}
    assert not any(drawn[name].stacked for name in ("host-cpu", "host-load", "host-own-cpu"))


def test_the_page_of_two_runs_is_not_taken_for_one_run(app, pages):
    """Dash takes the first page whose path fits: `compare` would fit a number, too."""
    del app
    found, variables = dash._pages._path_to_page("runs/compare")
    assert (found["module"], variables) == ("pages.compare_runs", None)
    found, variables = dash._pages._path_to_page("runs/12")
    assert (found["module"], variables) == ("pages.one_run", {"run_id": "12"})
    assert pages["/runs"]["module"] == "pages.runs"
