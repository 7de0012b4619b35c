"""Time: the newest point moves, a pause holds it, a drag zooms every graph, a link shares it."""

import re

import pytest

pytestmark = pytest.mark.browser

SPAN = re.compile(r"from=(\d+)&to=(\d+)")


def ranges(opened):
    return opened.page.evaluate(
        "[...document.querySelectorAll('.live-graph-plot')].filter(plot => plot._fullLayout)"
        ".map(plot => plot._fullLayout.xaxis.range.map(String))"
    )


def drag(opened, graph, left, right):
    """Drag across a graph, from and to as shares of its width."""
    area = opened.page.locator(f"#{graph} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    middle = box["y"] + box["height"] / 2
    mouse = opened.page.mouse
    mouse.move(box["x"] + box["width"] * left, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * (left + right) / 2, middle, steps=4)
    mouse.move(box["x"] + box["width"] * right, middle, steps=4)
    mouse.up()


def test_the_newest_point_moves_on_its_own(open_page):
    opened = open_page("/").wait_drawn("overview-host")
    before = opened.last_x("overview-host")
    opened.wait_newer("overview-host", before)
    opened.wait_newer("overview-host", before + 1000)
    points = opened.points("overview-host")[0]["x"]
    assert points == sorted(set(points)), "a point came twice"


def test_a_pause_holds_the_graphs_and_live_catches_up(open_page):
    opened = open_page("/").wait_drawn("overview-host", "overview-queues")
    opened.wait_newer("overview-host", 0)
    opened.page.locator("#pause").click()
    opened.until("document.documentElement.dataset.view === 'fixed'")
    opened.until("location.search.includes('from=')")
    held = opened.last_x("overview-host")
    age = opened.page.locator("#span-text").inner_text()
    # Polls go on while paused (cards, banners): two of them must not move a graph.
    opened.wait_polls(2)
    assert opened.last_x("overview-host") == held
    assert opened.page.locator("#span-text").inner_text() == age
    opened.page.keyboard.press("Escape")
    opened.page.locator("h1").click()
    opened.page.keyboard.press("Space")
    opened.until("document.documentElement.dataset.view === 'live'")
    opened.wait_newer("overview-host", held)


def test_a_drag_zooms_every_graph_and_a_double_click_goes_back(open_page):
    opened = open_page("/").wait_drawn("overview-host", "overview-queues")
    opened.wait_newer("overview-host", 0)
    drag(opened, "overview-host", 0.5, 0.9)
    opened.until("location.search.includes('from=')")
    start, end = map(int, SPAN.search(opened.page.url).groups())
    assert 80 <= end - start <= 160, "0.4 of five minutes"
    opened.until(
        "new Set([...document.querySelectorAll('.live-graph-plot')]"
        ".filter(plot => plot._fullLayout)"
        ".map(plot => plot._fullLayout.xaxis.range.map(String).join())).size === 1"
    )
    shared = open_page(opened.page.url.removeprefix(opened.base)).wait_drawn("overview-host")
    shared.until("document.documentElement.dataset.view === 'fixed'")
    assert SPAN.search(shared.page.url).groups() == (str(start), str(end))
    opened.page.locator("#overview-host .nsewdrag").first.dblclick()
    opened.until("document.documentElement.dataset.view === 'live'")
    opened.until("!location.search.includes('from=')")


def test_a_range_is_chosen_and_stays_in_the_address(open_page):
    opened = open_page("/").wait_drawn("overview-host")
    opened.page.locator("#range").get_by_text("1 h", exact=True).click()
    opened.until("location.search.includes('last=1h')")
    opened.until("document.getElementById('span-text').textContent.includes('(60 min)')")
    opened.page.get_by_role("link", name="Host", exact=True).first.click()
    opened.wait_drawn("host-cpu")
    opened.until("location.search.includes('last=1h')")
    opened.page.reload()
    opened.wait_drawn("host-cpu")
    opened.until("document.getElementById('span-text').textContent.includes('(60 min)')")
    opened.page.locator("#range").get_by_text("2 y", exact=True).click()
    opened.until("location.search.includes('last=2y')")
    opened.until("document.getElementById('span-text').textContent.includes('(730 d)')")
    opened.until(
        "(document.querySelector('#host-cpu .live-graph-plot')?.data || []).some("
        "line => line.name === 'highest' && line.y.some(value => value !== null))"
    )
