"""A page's load by the browser's own account: its requests, and when its first graph stands."""

from __future__ import annotations

import time
from dataclasses import dataclass

POLL_MS = 20
WITHIN_S = 90
# A time of the page's own clock, which begins with the navigation.
NOTE_FIRST_GRAPH = """(() => {
  const watcher = new MutationObserver(() => {
    if (!document.querySelector("[data-state=drawn], [data-state=empty]")) return;
    window.firstGraphMs = performance.now();
    watcher.disconnect();
  });
  watcher.observe(document, { attributeFilter: ["data-state"], childList: true, subtree: true });
})();"""


@dataclass
class Fetched:
    """A request that went to the server; `status` is None while it is not answered."""

    url: str
    status: int | None = None
    bytes: int = 0  # as they went over the wire, head and body


@dataclass(frozen=True)
class Visit:
    """A page's load up to its first graph."""

    first_graph_ms: float
    main_thread_ms: float  # CPU time, so other processes count little
    fetched: list[Fetched]  # what the cache answered is not among them

    @property
    def bytes(self):
        return sum(one.bytes for one in self.fetched)


def visit(context, url, awaited_file=None):
    """Open the URL in a new tab of a browser context, and wait for its first graph.

    And for a file, by the end of its address: a browser asks for a page's icon when it likes to.
    """
    page = context.new_page()
    page.add_init_script(NOTE_FIRST_GRAPH)
    session = context.new_cdp_session(page)
    fetched = _follow(session)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url, timeout=WITHIN_S * 1000)
    deadline = time.monotonic() + WITHIN_S
    while (first_graph_ms := page.evaluate("window.firstGraphMs")) is None or not _has_come(
        awaited_file, fetched
    ):
        missing = "graph" if first_graph_ms is None else awaited_file
        assert time.monotonic() < deadline, f"no {missing} in {WITHIN_S} s: {url}"
        page.wait_for_timeout(POLL_MS)
    metrics = session.send("Performance.getMetrics")["metrics"]
    (busy_s,) = (one["value"] for one in metrics if one["name"] == "TaskDuration")
    answered = [one for one in fetched.values() if one.status is not None]
    page.close()
    return Visit(first_graph_ms, busy_s * 1000, answered)


def _has_come(file, fetched):
    files = (one.url.partition("?")[0] for one in fetched.values() if one.bytes)
    return file is None or any(path.endswith(file) for path in files)


def _follow(session):
    """Requests by id, kept up to date by the browser's events."""
    fetched = {}

    def sent(event):
        if event["request"]["url"].startswith("http"):
            fetched.setdefault(event["requestId"], Fetched(event["request"]["url"]))

    def answered(event):
        one = fetched.get(event["requestId"])
        if one and event["response"].get("fromDiskCache"):
            del fetched[event["requestId"]]
        elif one:
            one.status = event["response"]["status"]

    def from_memory(event):
        fetched.pop(event["requestId"], None)

    def finished(event):
        one = fetched.get(event["requestId"])
        if one:
            one.bytes = event["encodedDataLength"]

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.responseReceived", answered)
    session.on("Network.requestServedFromCache", from_memory)
    session.on("Network.loadingFinished", finished)
    session.send("Network.enable")
    return fetched
