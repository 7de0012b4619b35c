"""A page that is left open: what it holds does not grow with the polls."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

POLLS = 120
WARM_UP = 40
GROWN_BYTES = 2_000_000
"""Of a heap of 16 MB. The browser's own caches take up to 1 MB of it; figures that were kept would
take 100 kB a poll."""

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


def test_a_page_left_open_holds_no_more_after_120_polls(open_page):
    opened = open_page("/").wait_drawn("overview-host", "overview-latency", "overview-queues")
    opened.page.evaluate("dash_clientside.set_props('tick', {max_intervals: 0})")
    opened.until("document.querySelectorAll('.live-graph[data-state=drawn]').length > 1")
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Performance.enable")
    opened.page.evaluate(DRAW, WARM_UP)
    heap, nodes, listeners = held(session)
    opened.page.evaluate(DRAW, POLLS)
    heap_after, nodes_after, listeners_after = held(session)
    assert heap_after - heap < GROWN_BYTES
    assert nodes_after <= nodes * 1.05 + 20
    assert listeners_after <= listeners + 5
