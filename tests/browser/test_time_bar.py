"""Time: the newest point moves, a pause holds it, a drag zooms every graph, a link shares it.

Each step is one of the browser's history. The bar is the same on each page: tests that do not judge
how a page begins share one, which is loaded once.
"""

import re
import time
import urllib.request
from contextlib import closing

import pytest

from servescope.store.sqlite.store import open_store
from tests.browser.conftest import DESKTOP, PHONE, WITHIN_S, WITHOUT_GRAPHS, wait_recorded
from tests.page_files import live_pages
from tests.processes import Dashboards

pytestmark = pytest.mark.browser

SPAN = re.compile(r"from=(\d+)&to=(\d+)")


@pytest.fixture
def bar(kept_page):
    """A page with the time bar that stays from test to test; live, of the last 5 minutes.

    It is at its top: there the Overview has no graph in sight, which each poll would draw.
    """
    if kept_page.page.locator("h1").inner_text() == WITHOUT_GRAPHS:
        kept_page.follow("Overview")
    kept_page.page.locator("#range").get_by_text("5 min", exact=True).click()
    kept_page.until("document.documentElement.dataset.view === 'live'")
    kept_page.until("!/last=|from=/.test(location.search)")
    kept_page.page.evaluate("window.scrollTo(0, 0)")
    yield kept_page
    assert kept_page.complaints == []


@pytest.fixture
def overview(bar):
    """That page where it is the Overview."""
    if bar.page.locator("h1").inner_text() != "Overview":
        bar.follow("Overview")
    return bar


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


def url_is(opened, text):
    opened.until("text => location.search.includes(text)", text)


MOMENTS = """() => {
    const clock = text => text.match(/\\d\\d:\\d\\d:\\d\\d/g);
    const axis = document.querySelector('#overview-requests .live-graph-plot')._fullLayout.xaxis;
    // Plotly leaves out seconds of zero.
    const time = drawn => (String(drawn).slice(11, 19) + ':00').slice(0, 8);
    const query = new URLSearchParams(location.search);
    const banner = clock(document.getElementById('view-text').textContent.split('you see')[1]);
    return {
        path: clock(document.querySelector('.scrubber output').textContent),
        banner: banner.slice(0, 2),
        axis: axis.range.map(time),
        address: ['from', 'to'].map(name => servescope.clock.time(Number(query.get(name)))),
    };
}"""


SO_FAR = """() => Object.fromEntries([15, 60, 119, 293, 299].map(recorded => {
    const end = Math.floor(Date.now() / 1000);
    const begins = end - recorded;
    const drawn = Math.min(begins, end - 60);
    servescope.view.setSpan([drawn, end], { begins, bounds: [begins, end] });
    return [recorded, document.getElementById('span-text').textContent.split(': ').at(-1)];
}))"""
"""How much of the range the bar says there is, by how many seconds are recorded; live, 5 min."""


@pytest.fixture
def young(tmp_path):
    """A dashboard that has just begun."""
    dashboards = Dashboards(tmp_path)
    yield dashboards()
    dashboards.end()


def one_moment(opened, *places):
    """The one span that all these places name, once they do."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        shown = opened.page.evaluate(MOMENTS)
        found = {str(shown[place]) for place in places}
        if len(found) == 1:
            return shown[places[0]]
        assert time.monotonic() < deadline, shown
        opened.page.wait_for_timeout(50)


def test_a_young_dashboard_that_is_paused_shows_one_moment_that_begins_with_the_data(young, look):
    opened = look(young).wait_drawn("overview-requests")
    opened.wait_newer("overview-host", 0)
    begins = "document.getElementById('span-text').textContent"
    # (A span of one second is told by its beginning alone.)
    so_far = f"/The data begins at .*: ([3-9]|[1-5]\\d) s of 5 min so far/.test({begins})"
    opened.until(so_far)
    (told,) = re.findall(r"begins at (\d\d:\d\d:\d\d)", opened.page.evaluate(begins))
    assert opened.page.evaluate(SO_FAR) == {
        "15": "15 s of 5 min so far. Graphs show 1 min at least.",
        "60": "1 min of 5 min so far.",
        "119": "1 min 59 s of 5 min so far.",
        "293": "4 min 53 s of 5 min so far.",
        "299": "4 min 59 s of 5 min so far.",
    }, "a part is never as long as the whole"
    opened.until(so_far)  # by the next answer
    opened.pause()
    opened.page.locator("#overview-requests").scroll_into_view_if_needed()
    begin, _end = one_moment(opened, "path", "banner", "axis", "address")
    assert begin == told
    # A link that asks for more than there is: the same, but for the address.
    span = opened.page.evaluate("servescope.view.span()")
    opened.open(f"/?from={span[0] - 500}&to={span[1]}").wait_drawn("overview-requests")
    opened.until("document.getElementById('view-text').textContent.startsWith('In the past')")
    opened.page.locator("#overview-requests").scroll_into_view_if_needed()
    begin, _end = one_moment(opened, "path", "banner", "axis")
    assert begin == told


NOW = 1_795_947_600
"""2026-11-29 10:20:00 UTC, a Sunday."""

READ = {
    "now-1h/h": (NOW - 4_800, NOW - 1_200),
    "now/d": (NOW - 37_200, NOW + 49_200),
    "yesterday": (NOW - 123_600, NOW - 37_200),
    "now/w": (NOW - 6 * 86_400 - 37_200, NOW + 49_200),
    "now/M": (1_793_491_200, 1_796_083_200),
    "2026-11-29T11:20:00+01:00": (NOW, NOW),
    "2026-11-29 10:20:00,539": (NOW, NOW),
    "2026-11-29T10:20:00.5Z": (NOW, NOW),
    "10:20": (NOW, NOW),
    "1795947600000": (NOW, NOW),
    "now+1h": None,
    "15": None,
    "now-": None,
    "5 fortnights": None,
}
"""Written times, each as a beginning and as an end."""


def test_times_are_read_as_logs_and_grafana_write_them(open_page):
    opened = open_page("/learn", DESKTOP | {"timezone_id": "UTC"})
    read = """([text, now]) => [false, true].map(
        isEnd => servescope.clock.parse(text, now, isEnd)?.at ?? null)"""
    for text, expected in READ.items():
        found = opened.page.evaluate(read, [text, NOW])
        assert found == (list(expected) if expected else [None, None]), text


def test_an_address_may_name_times_as_grafana_does(open_page):
    opened = open_page("/latency?from=now-20m&to=now").wait_drawn("latency-percentiles")
    url_is(opened, "last=20m")
    opened.until("document.documentElement.dataset.view === 'live'")
    start = int(time.time()) - 600
    opened.open(f"/latency?from={start}000&to={start + 60}000").wait_drawn("latency-percentiles")
    url_is(opened, f"from={start}&to={start + 60}")
    opened.until("document.documentElement.dataset.view === 'fixed'")


def test_what_was_not_recorded_is_no_dashed_line(open_page, dashboard):
    with closing(open_store(dashboard.folder)) as store:
        oldest, _ = store.bounds()
    opened = open_page(f"/latency?from={oldest}&to={oldest + 30}&compare=before")
    opened.wait_drawn("latency-percentiles")
    opened.page.get_by_text("the 30 s before, of which nothing was recorded.").wait_for()


def test_times_are_of_the_zone_that_was_chosen_once(open_page):
    opened = open_page("/", {"timezone_id": "Asia/Kolkata"}).wait_drawn("overview-host")
    shown = "document.getElementById('span-text')?.textContent"
    opened.until(f"{shown}?.includes('GMT+5:30')")
    opened.page.get_by_role("button", name="Span…").click()
    opened.page.get_by_text("UTC", exact=True).click()
    opened.until(f"{shown}?.includes('UTC')")
    opened.page.reload()
    opened.wait_drawn("overview-host")
    opened.until(f"{shown}?.includes('UTC')")
    opened.wait_newer("overview-host", 0)
    drawn = opened.last_x("overview-host")
    newest = opened.page.evaluate("servescope.view.span()[1]")
    assert abs(drawn / 1000 - newest) < 60, "the axis is shifted by no zone"
    write_utc = "servescope.clock.parse('2026-11-28 14:03:10', 1795903620).at"
    assert opened.page.evaluate(write_utc) == 1_795_874_590


def test_a_span_over_midnight_is_told_by_the_clock_in_one_line_of_a_phone(open_page):
    # Of the zone where this hour is the first of a day; the view has to end in the past.
    midnight = int(time.time() - 60) // 3600 * 3600
    hours = midnight // 3600 % 24
    zone = f"Etc/GMT+{hours}" if hours <= 12 else f"Etc/GMT-{24 - hours}"  # west of GMT is +
    path = f"/host?from={midnight - 30}&to={midnight + 30}"
    opened = open_page(path, PHONE | {"timezone_id": zone})
    said = "document.getElementById('view-text').textContent"
    opened.until(f"{said}.startsWith('Past: 23:59:30\u201300:00:30 (')")


def test_an_earlier_span_is_drawn_dashed(open_page, dashboard):
    wait_recorded(dashboard, 22)  # the first second of it is a gap
    opened = open_page("/host?last=10s&compare=before").wait_drawn("host-cpu")
    opened.until(
        "document.querySelector('#host-cpu .live-graph-plot')?.data?.some("
        "line => line.line.dash === 'dash' && line.y.some(value => value !== null))",
        seconds=120,
    )
    opened.until("document.getElementById('span-text').textContent.includes('Dashed lines: the ')")
    opened.until(
        "document.getElementById('host-memory-legend')?.textContent"
        ".includes('all together, earlier')"
    )
    opened.page.locator("#host-cpu").focus()
    earlier = opened.page.locator("#host-cpu .graph-readout p").filter(has_text=" before")
    deadline = time.monotonic() + WITHIN_S
    said = ""
    while not re.search(r"the [\d.]+ (s|min) before[\d.]+ %$", said):
        assert time.monotonic() < deadline, said
        opened.page.keyboard.press("End")
        earlier.first.wait_for()
        said = earlier.first.text_content()


HIDDEN_RANGES = """() => {
    const outer = document.getElementById("ranges");
    const { left, right } = outer.getBoundingClientRect();
    const all = [...outer.querySelectorAll("label")].map(one => one.getBoundingClientRect());
    return { before: all.some(one => one.left < left - 1),
        behind: all.some(one => one.right > right + 1), mask: getComputedStyle(outer).maskImage };
}"""
RANGES_SAY = """more => document.getElementById("ranges").dataset.more === more"""


def test_on_a_phone_the_bar_and_its_banner_are_low_the_form_fits_and_hidden_ranges_fade(open_page):
    opened = open_page("/host", PHONE).wait_drawn("host-cpu")
    check_the_edge_that_hides_ranges_fades(opened)
    height = "document.getElementById('time-bar').getBoundingClientRect().height"
    opened.wait_newer("host-cpu", 0)
    assert opened.page.evaluate(height) <= 110
    check_the_ranges_stand_in_the_middle_of_their_fields(opened)
    opened.pause()
    assert opened.page.evaluate(height) <= 110
    check_the_banner_of_a_past_view_has_one_line(opened)
    check_the_form_fits(opened)


def check_the_edge_that_hides_ranges_fades(opened):
    opened.until(RANGES_SAY, "behind")
    found = opened.page.evaluate(HIDDEN_RANGES)
    assert (found["before"], found["behind"]) == (False, True)
    assert "gradient" in found["mask"]
    opened.page.locator("#ranges").evaluate("ranges => ranges.scrollLeft = 60")
    opened.until(RANGES_SAY, "before behind")
    opened.page.locator("#ranges").evaluate("ranges => ranges.scrollLeft = ranges.scrollWidth")
    opened.until(RANGES_SAY, "before")
    found = opened.page.evaluate(HIDDEN_RANGES)
    assert (found["before"], found["behind"]) == (True, False)


def check_the_ranges_stand_in_the_middle_of_their_fields(opened):
    off_middle = opened.page.evaluate(
        "() => [...document.querySelectorAll('#range label')].map(label => {"
        "const text = document.createRange(); text.selectNodeContents(label);"
        "const middle = box => box.top + box.height / 2;"
        "return Math.abs(middle(text.getBoundingClientRect())"
        " - middle(label.getBoundingClientRect())); })"
    )
    assert off_middle
    assert max(off_middle) <= 2


def check_the_banner_of_a_past_view_has_one_line(opened):
    opened.until("document.getElementById('view-requests').checkVisibility()")
    opened.until("document.getElementById('view-text').textContent.startsWith('Paused: ')")
    lines = opened.page.evaluate(
        "(() => { const banner = document.querySelector('.view-banner');"
        " return banner.offsetHeight / parseFloat(getComputedStyle(banner).lineHeight); })()"
    )
    assert round(lines) == 1, opened.page.locator(".view-banner").inner_text()


def check_the_form_fits(opened):
    opened.page.get_by_role("button", name="Span…").click()
    opened.until("document.getElementById('time-form')?.checkVisibility()")
    box = opened.page.locator("#time-form").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_newest_point_moves_on_its_own(overview):
    opened = overview.wait_drawn("overview-host")
    before = opened.last_x("overview-host")
    opened.wait_newer("overview-host", before)
    opened.wait_newer("overview-host", before + 1000)
    points = opened.points("overview-host")[0]["x"]
    assert points == sorted(set(points)), "a point came twice"


def test_a_pause_holds_the_graphs_and_live_catches_up(overview):
    opened = overview.wait_drawn("overview-host", "overview-queues")
    opened.wait_newer("overview-host", 0)
    opened.pause()
    opened.until("document.documentElement.dataset.view === 'fixed'")
    opened.until("location.search.includes('from=')")
    held = opened.last_x("overview-host")
    opened.until("/^Paused at .*: you see /.test(document.getElementById('view-text').textContent)")
    said = opened.page.locator("#view-text").inner_text()
    # Polls go on while paused (what is of now): two of them must not move a graph.
    opened.wait_polls(2)
    assert opened.last_x("overview-host") == held
    assert opened.page.locator("#view-text").inner_text() == said
    opened.page.keyboard.press("Escape")
    opened.page.locator("h1").click()
    opened.page.keyboard.press("Space")
    opened.until("document.documentElement.dataset.view === 'live'")
    opened.wait_newer("overview-host", held)


def test_a_pause_is_said_at_once(bar):
    bar.until("document.getElementById('standing').textContent === 'live'")
    said = "() => { document.getElementById('pause').click(); return new Promise(done =>"
    said += " setTimeout(() => done(document.getElementById('standing').textContent), 0)); }"
    assert bar.page.evaluate(said) == "live, paused"


def test_a_wide_window_shows_all_ranges_and_no_edge_of_them_fades(bar):
    bar.until(RANGES_SAY, "")
    found = bar.page.evaluate(HIDDEN_RANGES)
    assert (found["before"], found["behind"]) == (False, False)


def test_a_drag_zooms_every_graph_for_who_opens_its_link_too_and_a_double_click_goes_back(overview):
    opened = overview.wait_drawn("overview-host", "overview-queues")
    opened.wait_newer("overview-host", 0)
    before = opened.page.evaluate("servescope.view.span()")
    drag(opened, "overview-host", 0.5, 0.9)
    opened.until("location.search.includes('from=')")
    start, end = map(int, SPAN.search(opened.page.url).groups())
    whole = before[1] - before[0]
    assert 0.2 * whole <= end - start <= 0.6 * whole + 5, "0.4 of what was shown"
    opened.until(
        "new Set([...document.querySelectorAll('.live-graph-plot')]"
        ".filter(plot => plot._fullLayout)"
        ".map(plot => plot._fullLayout.xaxis.range.map(String).join())).size === 1"
    )
    opened.open(opened.page.url.removeprefix(opened.base)).wait_drawn("overview-host")
    opened.until("document.documentElement.dataset.view === 'fixed'")
    assert SPAN.search(opened.page.url).groups() == (str(start), str(end))
    area = opened.page.locator("#overview-host .nsewdrag").first
    area.scroll_into_view_if_needed()
    area.dblclick()
    opened.until("document.documentElement.dataset.view === 'live'")
    opened.until("!location.search.includes('from=')")


def test_each_step_is_one_of_the_history_and_back_takes_it_back(overview, dashboard):
    wait_recorded(dashboard, 20)  # there is more than is seen once a part was dragged across
    opened = overview.wait_drawn("overview-host", "overview-queues")
    opened.wait_newer("overview-host", 0)
    opened.page.locator("#pause").click()
    url_is(opened, "from=")
    paused = opened.page.url
    drag(opened, "overview-host", 0.3, 0.8)
    opened.until("url => location.href !== url", paused)
    zoomed = opened.page.url
    opened.page.locator("#time-out").click()
    opened.until("url => location.href !== url", zoomed)
    wide = SPAN.search(opened.page.url).groups()
    narrow = SPAN.search(zoomed).groups()
    assert int(wide[1]) - int(wide[0]) == 2 * (int(narrow[1]) - int(narrow[0]))
    heading = opened.page.locator("h1").element_handle()
    for url in (zoomed, paused):
        opened.page.go_back()
        opened.until("url => location.href === url", url)
        shown = [int(second) for second in SPAN.search(url).groups()]
        opened.until(
            "([from, to]) => { const span = servescope.view.span();"
            " return span[0] >= from && span[1] <= to + 5 }",
            shown,
        )
    opened.until("document.getElementById('view-text').textContent.startsWith('Paused at')")
    opened.page.go_back()
    opened.until("document.documentElement.dataset.view === 'live'")
    opened.page.go_forward()
    opened.until("document.documentElement.dataset.view === 'fixed'")
    assert heading.is_visible(), "the page was built anew"


def test_the_span_steps_back_and_forward_to_the_end_and_not_before_the_data(overview):
    opened = overview.wait_drawn("overview-host")
    opened.wait_newer("overview-host", 0)
    opened.page.locator("#range").get_by_text("1 min", exact=True).click()
    url_is(opened, "last=1m")
    opened.until("servescope.view.span()[1] - servescope.view.span()[0] === 60")
    opened.page.locator("#pause").click()
    url_is(opened, "from=")
    first, end = map(int, SPAN.search(opened.page.url).groups())
    opened.page.locator("#time-back").click()
    back = f"from={2 * first - end}&to={first}"
    said = "document.getElementById('time-said').textContent"
    opened.until(
        f"{said}.includes('there is nothing before') || location.search.includes('{back}')"
    )
    if back in opened.page.url:
        opened.page.locator("#time-forward").click()
        url_is(opened, f"to={end}")
    opened.page.locator("#time-forward").click()
    opened.until("document.documentElement.dataset.view === 'live'")
    url_is(opened, "last=1m")


@pytest.fixture
def form(overview):
    """The form for a span, open."""
    is_shown = "document.getElementById('time-form')?.checkVisibility()"
    overview.until("servescope.view.span() !== null")
    overview.page.get_by_role("button", name="Span…").click()
    overview.until(is_shown)
    overview.until("document.getElementById('time-from').value === 'now-5m'")
    yield overview
    if overview.page.evaluate(is_shown):
        overview.page.keyboard.press("Escape")
        overview.until(f"!{is_shown}")


def write(opened, start, end):
    opened.page.locator("#time-from").fill(start)
    opened.page.locator("#time-to").fill(end)
    opened.page.locator("#time-to").press("Enter")


REFUSED = {
    "text": ("soon", "now", "“soon” is no time"),
    "an hour that is none": ("25:00", "now", "“25:00” is no time"),
    "a day that is none": ("2026-02-31", "now", "“2026-02-31” is no time"),
    "nothing": ("", "now", "Write a time into From"),
    "from after to": ("now-1m", "now-5m", "From is not before To"),
    "before any data": ("2001-01-01", "2001-01-02", "Nothing was recorded before"),
    "the future": ("2090-01-01", "2090-01-02", "The span begins in the future"),
    "too short": ("now-2s", "now", "A span has 5 seconds at least"),
    "too long": ("now-11y", "now", "A span has ten years at most"),
}


def test_a_span_that_is_none_is_refused_in_a_sentence_and_nothing_is_lost(form):
    before = form.page.url
    for start, end, sentence in REFUSED.values():
        write(form, start, end)
        form.until(
            "told => document.getElementById('time-error').textContent.includes(told)", sentence
        )
        assert form.page.locator("#time-from").input_value() == start
        assert form.page.locator("#time-to").input_value() == end
    assert form.page.url == before
    check_enter_sends_what_stands_in_the_field_however_soon_it_comes(form)


def check_enter_sends_what_stands_in_the_field_however_soon_it_comes(form):
    said = "document.getElementById('time-error').textContent"
    assert "“soon” is no time" not in form.page.evaluate(said)
    form.page.evaluate(
        """() => {
            const field = document.getElementById("time-from");
            const write = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
            write.call(field, "soon");
            field.dispatchEvent(new Event("input", { bubbles: true }));
            const enter = { key: "Enter", code: "Enter", keyCode: 13, bubbles: true };
            field.dispatchEvent(new KeyboardEvent("keydown", enter));
            field.dispatchEvent(new KeyboardEvent("keyup", enter));
        }"""
    )
    form.until(f"{said}.includes('“soon” is no time')")
    form.wait_polls(2)  # what came late of the field has been dealt with by then
    assert "“soon” is no time" in form.page.locator("#time-error").inner_text()


WRITTEN = {
    "relative": ("now-20m", "now", "last=20m"),
    "known range": ("now-1h", "now", "last=1h"),
    "longer than what is kept": ("now-3y", "now", "last=1095d"),
    "since a time": ("2020-01-01 10:00", "now", "to=now"),
    "since the start": ("start", "now", "from=start&to=now"),
    "a length alone": ("15m", "now", "last=15m"),
    "a length in words": ("2 hours", "", "last=2h"),
    "with spaces and a sign": ("- 90 s", "now", "last=90s"),
    "a month, which is no minute": ("now-1M", "now", "last=30d"),
    "this day": ("today", "now/d", "to=now"),
}


def test_spans_are_written_and_the_address_reopens_them(form):
    for start, end, address in WRITTEN.values():
        if not form.page.locator("#time-form").is_visible():
            form.page.get_by_role("button", name="Span…").click()
            form.until("document.getElementById('time-form')?.checkVisibility()")
        write(form, start, end)
        url_is(form, address)
        form.until("!document.getElementById('time-form')?.checkVisibility()")
    form.page.reload()
    form.wait_drawn("overview-host")
    form.until("document.getElementById('span-text').textContent !== ''")
    url_is(form, address)


def test_this_run_leads_to_where_one_is_started(form):
    form.page.get_by_role("button", name="This run").click()
    told = form.page.locator("#time-said")
    told.get_by_text("No load run has begun yet: start one on the page Load.").wait_for()
    told.get_by_role("link", name="Load").click()
    form.until("document.querySelector('h1')?.textContent === 'Load'")


def show_span(opened, start, end):
    """Have the page show a span of the past, and wait until it does."""
    opened.page.evaluate("([start, end]) => servescope.view.fix(start, end)", [start, end])
    opened.until(
        "span => JSON.stringify(servescope.view.span()) === JSON.stringify(span)", [start, end]
    )
    return opened


def test_a_span_before_all_data_claims_no_zero(overview):
    opened = show_span(overview, 1_000_000_000, 1_000_000_060)
    told = "document.getElementById('{}').textContent.includes('Nothing was recorded {}')"
    opened.until(told.format("view-text", "before"))
    opened.until(told.format("overview-verdict", "in this span"))
    opened.page.locator(".path-findings:visible").get_by_text("Nothing was measured").wait_for()
    assert opened.page.locator("#requests-value").inner_text() == "\N{EM DASH}"
    assert not opened.page.locator("#view-requests").is_visible()
    assert not any(
        "req/s" in said for said in opened.page.locator(".path-summary").all_inner_texts()
    )


NOTES = "[...document.querySelectorAll('.live-graph-note')].map(note => note.textContent)"


def test_a_past_of_which_nothing_was_recorded_claims_nothing_and_gives_no_advice(overview):
    opened = show_span(overview, 1_600_000_000, 1_600_000_060)
    for page in ("Requests", "Latency", "Ports", "Overview"):
        opened.follow(page)
        opened.page.locator("#view-text").get_by_text("Nothing was recorded").wait_for()
        opened.page.locator(".live-graph[data-state=empty]").first.wait_for()
        notes = {note for note in opened.page.evaluate(NOTES) if note}
        assert notes == {"Nothing was recorded in this span."}, page
        assert opened.page.locator("#view-requests").is_hidden(), page
        said = opened.page.locator("#page").inner_text()
        assert "No requests in this span" not in said, page
        assert "start demo load" not in said.replace("press Start demo load", ""), page


def test_an_empty_live_graph_says_how_something_comes(bar):
    opened = bar.follow("Requests")
    note = opened.page.locator("#websocket-open .live-graph-note")
    opened.page.locator("#websocket-open").scroll_into_view_if_needed()
    note.get_by_text("No WebSocket in this span. A WebSocket that an app opens").wait_for()
    opened.pause()
    note.get_by_text("No WebSocket in this span.", exact=True).wait_for()


def test_an_empty_live_graph_leads_to_the_page_that_it_names(bar):
    opened = bar.follow("Latency")
    note = opened.page.locator("#latency-stages .live-graph-note")
    note.get_by_text("the page Overview names the listeners").wait_for()
    opened.page.evaluate("window.sameDocument = true")
    note.get_by_role("link", name="Overview").click()
    opened.until("document.querySelector('h1')?.textContent === 'Overview'")
    assert opened.page.evaluate("window.sameDocument") is True


def test_a_range_is_chosen_and_stays_in_the_address(bar):
    bar.page.locator("#range").get_by_text("1 h", exact=True).click()
    bar.until("location.search.includes('last=1h')")
    bar.until("document.getElementById('span-text').textContent.includes('data begins at')")
    told, alone = bar.page.evaluate(
        "[document.getElementById('span-text').textContent, servescope.view.spanText()]"
    )
    assert "(" not in told, "its length is that of what is recorded, which it says"
    assert re.search(r" \([\d.]+ (s|min)( \d+ s)?\)$", alone), "an image has no other sentence"
    bar.follow("Latency").wait_drawn("latency-percentiles")
    bar.until("location.search.includes('last=1h')")
    bar.page.reload()
    bar.wait_drawn("latency-percentiles")
    bar.until("document.querySelector('#range input:checked')?.value === '1h'")
    bar.page.locator("#range").get_by_text("2 y", exact=True).click()
    bar.until("location.search.includes('last=2y')")
    bar.until("document.querySelector('#range input:checked')?.value === '2y'")


NUMBERS = """[...document.querySelectorAll('#page *')]
  .filter(part => !part.closest('[data-of=now], .time-bar, .banner, .as-of, .live-graph, style'))
  .flatMap(part => [...part.childNodes])
  .filter(node => node.nodeType === 3 && /\\d/.test(node.textContent))
  .map(node => node.textContent)"""


def settled_numbers(opened):
    """The page's numbers when they have stood for two polls: tables load their code late."""
    seen = opened.page.evaluate(NUMBERS)
    for _ in range(10):
        opened.wait_polls(2)
        before, seen = seen, opened.page.evaluate(NUMBERS)
        if before == seen:
            return seen
    raise AssertionError("they move")


def test_no_number_beside_a_past_view_moves(bar, dashboard):
    wsgi = dashboard.listener("wsgi").url
    wait_recorded(dashboard, 12)  # the span begins where the data does, if that is later
    bar.wait_polls(1)
    end = bar.page.evaluate("servescope.view.span()[1]")
    show_span(bar, end - 8, end)
    for page in live_pages():
        opened = bar.follow(page.name).wait_drawn(page.graphs[0])
        opened.until("document.getElementById('view-text').textContent.startsWith('In the past')")
        url_is(opened, f"from={end - 8}&to={end}")
        before = settled_numbers(opened)
        for _ in range(20):
            urllib.request.urlopen(f"{wsgi}whoami").read()
        opened.wait_polls(3)
        assert opened.page.evaluate(NUMBERS) == before, page.path
