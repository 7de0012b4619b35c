"""A person talks over a WebSocket in one window and sees the numbers move in the other."""

import time

import pytest

from components.live import RENEW_S
from servescope.queries.websocket import HANDSHAKE_MEAN, MEAN_LIFE

pytestmark = pytest.mark.browser

GRAPHS = ("websocket-open", "websocket-messages", "websocket-bytes", "websocket-times")


def drawn(opened, graph, name):
    """The values of one line that are more than nothing."""
    lines = [line for line in opened.points(graph) if line["name"] == name]
    return [value for line in lines for value in line["y"] if value]


def total(opened, name):
    """Messages under a line of messages per second, a point a second."""
    return round(sum(drawn(opened, "websocket-messages", name)))


def eventually(opened, condition):
    # A second that came late to a busy machine's store finds its place when the figure is renewed.
    deadline = time.monotonic() + RENEW_S + 10
    while not condition():
        assert time.monotonic() < deadline, "the graphs of the WebSockets did not follow"
        # Only graphs in sight are drawn, and tables that fill above push these down.
        for graph in GRAPHS:
            opened.page.locator(f"#{graph}").scroll_into_view_if_needed()
        opened.page.wait_for_timeout(500)  # each graph that comes into sight is drawn anew


def test_the_echo_and_the_chat_show_in_the_graphs(open_page, dashboard):
    watching = open_page("/requests").wait_drawn(*GRAPHS)
    for graph in GRAPHS:
        panel = watching.page.locator(f"#{graph}")
        assert panel.get_attribute("data-state") == "empty"
        assert "No WebSocket in this span" in panel.inner_text()
    asgi = f"http://127.0.0.1:{dashboard.port('asgi')}"
    echo = open_page("/", base=asgi)
    for word in ("one", "two", "three"):
        echo.page.locator("#echo input").fill(word)
        echo.page.locator("#echo form button").click()
        echo.page.locator("#echo .log").get_by_text(word).wait_for()
    eventually(watching, lambda: max(drawn(watching, "websocket-open", "asgi"), default=0) == 1)
    eventually(watching, lambda: total(watching, "received") == 3)
    eventually(watching, lambda: total(watching, "sent") == 3)
    eventually(
        watching, lambda: sum(drawn(watching, "websocket-bytes", "received")) > 3 * len("one")
    )
    eventually(watching, lambda: drawn(watching, "websocket-times", HANDSHAKE_MEAN))
    assert not drawn(watching, "websocket-times", MEAN_LIFE)
    watching.page.locator("#requests-classes").scroll_into_view_if_needed()
    watching.until(
        "() => document.querySelector('#requests-classes .live-graph-plot').data"
        ".some(({name, customdata}) => name === '1xx' && customdata.includes(1))"
    )

    chat = open_page("/chat", base=asgi)
    chat.page.locator("#chat input").fill("hello, room")
    chat.page.locator("#chat form button").click()
    chat.page.locator("#chat .talk").get_by_text("hello, room").wait_for()
    eventually(watching, lambda: max(drawn(watching, "websocket-open", "asgi"), default=0) == 2)
    for window in (echo, chat):
        window.page.goto("about:blank")
    eventually(watching, lambda: drawn(watching, "websocket-times", MEAN_LIFE))
    eventually(watching, lambda: total(watching, "received") == 4)
