"""A page that is left open: what it holds does not grow with the polls."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from components.plain_html import tree
from components.request_table import counts_text, facets, pages, request_table
from servescope.queries.request_search import Facet, FacetValue, Search
from tests.browser.conftest import POLL_MS, WITHIN_S
from tests.components.test_parts import FOUND, ROW, SPAN

pytestmark = pytest.mark.browser

POLLS = 120
WARM_UP = 40
GROWN_BYTES = 4_000_000
"""Of a heap of 16 MB. The browser's own caches and the newest answers take up to 2.5 MB of it;
figures that were kept would take 100 kB a poll."""

# Answers of polls as the server makes them, a second apart, drawn at once one after the other.
DRAW = """async polls => {
    const graphs = servescope.graphs;
    const [start, end] = graphs.span();
    for (let i = 0; i < polls; i += 1) {
        const delta = {};
        for (const graph of graphs.all()) {
            const names = graph.data.map(trace => trace.name);
            if (!names.length || graph.layout.meta.step !== 1) continue;
            delta[graph.id] = {x: [(end + i) * 1000], y: names.map((_, line) => [line + i % 7])};
            if (graph.data[0].meta.requests) delta[graph.id].requests = names.map(() => [10 + i]);
        }
        const events = [["listener", end + i - 20, null, `restart ${i % 5}`]];
        dash_clientside.live.draw({now: end + i + 1, text: JSON.stringify({
            page: "overview", view: "", cursor: end + i + 1, shape: "{}", live: true, step: 1,
            span: [start + i + 1, end + i + 1], newest: end + i, delay: 0, graphs: delta,
            feeds: {}, events, props: {}})});
        await new Promise(requestAnimationFrame);
    }
}"""


def held(session):
    """Bytes of the heap, nodes and listeners, after all that is free was given back."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {
        one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]
    }
    return metrics["JSHeapUsedSize"], metrics["Nodes"], metrics["JSEventListeners"]


# The same with a request log: its 50 rows, with facets and counts, are others each time.
DRAW_LOG = """async ([polls, props]) => {
    const [start, end] = servescope.graphs.span();
    for (let i = 0; i < polls; i += 1) {
        const text = props.replaceAll("987654", String(100000 + (i * 50) % 800000));
        dash_clientside.live.draw({now: end + i + 1, text: JSON.stringify({
            page: "requests", view: "", cursor: end + i + 1, shape: "{}", live: true, step: 1,
            span: [start + i + 1, end + i + 1], newest: end + i, delay: 0, graphs: {},
            feeds: {}, events: [], props: JSON.parse(text)})});
        await new Promise(requestAnimationFrame);
    }
}"""
NUMBER = 987_654
"""Stands in the properties of the log for what differs from poll to poll."""


def log_props():
    """The properties of a request log that is full, as a poll brings them."""
    rows = tuple(
        replace(ROW, id=int(f"{NUMBER}{row}"), target=f"/{NUMBER}/{row}", end_s=NUMBER + row)
        for row in range(50)
    )
    values = tuple(FacetValue(f"/{NUMBER}/{row}", row, row / 1_225) for row in range(30))
    found = replace(FOUND, rows=rows, matching=NUMBER, facets=(Facet("route", values, 9),))
    return {
        "requests-counts": {"children": counts_text(found)},
        "requests-log": {"tree": tree(request_table(found, Search(), SPAN))},
        "requests-facets": {"tree": tree(facets(found, Search()))},
        "requests-pages": {"tree": tree(pages(found, Search()))},
    }


def holds_no_more(opened, script, argument):
    """Draw a few polls and then many more: the page holds no more after these."""
    opened.until("[...servescope.graphs.all()].every(graph => graph.bound)")
    opened.page.evaluate("dash_clientside.set_props('tick', {max_intervals: 0})")
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Performance.enable")
    opened.page.evaluate(script, argument(WARM_UP))
    heap, nodes, listeners = held(session)
    opened.page.evaluate(script, argument(POLLS))
    # A graph that was just redrawn is in memory twice for a moment. A leak would stay.
    deadline = time.monotonic() + WITHIN_S
    while (after := held(session))[2] > listeners and time.monotonic() < deadline:
        opened.page.wait_for_timeout(POLL_MS)
    heap_after, nodes_after, listeners_after = after
    assert heap_after - heap < GROWN_BYTES
    assert nodes_after <= nodes * 1.05 + 20
    assert listeners_after <= listeners


def test_a_page_left_open_holds_no_more_after_120_polls(open_fresh_page):
    opened = open_fresh_page("/").wait_drawn("overview-host", "overview-latency", "overview-queues")
    opened.until("document.querySelectorAll('.live-graph[data-state=drawn]').length > 1")
    holds_no_more(opened, DRAW, lambda polls: polls)


@pytest.mark.usefixtures("app")  # links of the rows are below its path prefix
def test_a_request_log_left_open_holds_no_more_after_120_polls(open_fresh_page):
    opened = open_fresh_page("/requests").wait_drawn("requests-classes")
    opened.wait_poll_answered()
    props = json.dumps(log_props())
    holds_no_more(opened, DRAW_LOG, lambda polls: [polls, props])
    rows = opened.page.locator("#requests-log tr[data-request]").all_inner_texts()
    newest = 100_000 + (POLLS - 1) * 50
    assert [row.split()[1] for row in rows] == [f"/{newest}/{row}" for row in range(50)]


# Dash dispatches some forty actions a poll.
TOLD_A_POLL = 8
COUNT_TOLD = """() => {
    window.told = 0;
    for (const store of dash_stores) store.subscribe(() => { told += 1; });
}"""
IS_AT_REST = """() => dash_stores.every(store => {
    const { appLifecycle, callbacks, isLoading } = store.getState();
    const isDone = Object.values(callbacks).every(queue => !queue.length);
    return appLifecycle === "HYDRATED" && isDone && !isLoading;
})"""


def test_few_of_the_actions_of_a_poll_have_react_look_at_the_page(open_page):
    opened = open_page("/").wait_drawn("overview-latency")
    opened.page.evaluate(COUNT_TOLD)
    opened.wait_polls(1)
    told, polls = opened.page.evaluate("told"), opened.polls
    opened.wait_polls(4)
    assert 0 < opened.page.evaluate("told") - told <= TOLD_A_POLL * (opened.polls - polls + 1)


def test_react_looks_once_at_what_changes_at_once_and_within_an_event_at_each_change(open_page):
    opened = open_page("/learn")  # asks for nothing by itself
    opened.until(IS_AT_REST)
    opened.page.evaluate(COUNT_TOLD)
    assert opened.page.evaluate(
        """async () => {
            const say = children => dash_clientside.set_props("run-message", { children });
            const counts = [];
            const count = () => { counts.push(told); told = 0; };
            told = 0;
            say("a"); say("b"); say("c");
            count();
            await Promise.resolve();
            count();
            document.addEventListener("input", () => { say("d"); say("e"); }, { once: true });
            document.body.dispatchEvent(new InputEvent("input", { bubbles: true }));
            count();
            await Promise.resolve();
            count();
            return counts;
        }"""
    ) == [0, 1, 2, 0]
    opened.until("document.getElementById('run-message').textContent === 'e'")


def test_react_looks_late_at_components_that_nobody_sees(open_page):
    opened = open_page("/learn")
    opened.until(IS_AT_REST)
    opened.page.evaluate(COUNT_TOLD)
    assert opened.page.evaluate(
        """async () => {
                const counts = [];
                for (const [id, properties] of [
                    ["tick", { interval: 30_000_000 }],
                    ["_pages_store", { data: { title: document.title } }],
                    ["learn-tried", { data: {} }], // in the browser's storage
                ]) {
                    told = 0;
                    dash_clientside.set_props(id, properties);
                    await Promise.resolve();
                    counts.push(told);
                }
                told = 0;
                dash_clientside.set_props("tick", { interval: 40_000_000 });
                return counts;
            }"""
    ) == [0, 0, 1]
    opened.until("told > 0")


def test_that_a_callback_takes_long_is_shown(open_page):
    opened = open_page("/learn")
    opened.until(IS_AT_REST)
    opened.page.evaluate(COUNT_TOLD)
    assert (
        opened.page.evaluate(
            """async () => {
            const [store] = dash_stores;
            const output = { id: "run-message", property: "children" };
            const path = store.getState().paths.strs[output.id];
            told = 0;
            store.dispatch({ type: "LOADING", payload: [{ ...output, path }] });
            await Promise.resolve();
            return told;
        }"""
        )
        == 0
    )
    opened.until("document.getElementById('run-message').dataset.dashIsLoading === 'true'")
