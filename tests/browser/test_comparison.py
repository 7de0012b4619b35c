"""A person compares models under the same load, reads the table, and finds it again by its link."""

from __future__ import annotations

import pytest

from servescope.records.load import RunState
from tests.browser.conftest import WITHOUT_GRAPHS
from tests.browser.test_servers import fill, press
from tests.processes import eventually

pytestmark = pytest.mark.browser
SECONDS = 60
SCENARIO = """name = "Whoami"
[schedule]
kind = "constant"
rate = 20
seconds = 1
[[flows]]
[[flows.steps]]
target = "/whoami"
"""


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    control.close()


COLUMN = """target => {
    const table = document.querySelector("#compare-outcome table");
    const heads = [...(table?.querySelectorAll("thead th") ?? [])];
    const at = heads.findIndex(head => head.dataset.target === target);
    const rows = at < 0 ? [] : [...table.querySelectorAll("tbody tr")];
    return Object.fromEntries(
        rows.map(row => [row.cells[0].innerText, row.cells[at].innerText])
    );
}"""


def column(opened, target):
    """The figures of one target by their names."""
    return opened.page.evaluate(COLUMN, target)


def in_ms(text):
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000, "µs": 0.001}[unit]


def wait_outcome(opened, text):
    opened.until(
        "text => document.getElementById('compare-outcome')?.innerText.includes(text)",
        text,
        SECONDS,
    )


def test_two_models_are_compared_and_the_table_says_which_waits(visit, open_page, control):
    opened = visit("Servers").wait_drawn("servers-rate")
    opened.page.get_by_text("Nothing compared yet").wait_for()
    fill(opened, "Seconds", 2)
    press(opened, "Compare")
    opened.page.locator("#run-strip").get_by_text("Comparison 1").wait_for()
    assert opened.page.locator("#run-stop").is_visible()
    opened.page.get_by_role("button", name="Stop comparing").wait_for()
    wait_outcome(opened, "\ndone")
    slow, pool = column(opened, "sequential"), column(opened, "thread pool")
    assert slow["Answered"] == pool["Answered"] == "80"
    assert "model sequential" in slow["Limit"].lower()
    assert "model thread pool" in pool["Limit"].lower()
    assert slow["Failed"] == pool["Failed"] == "0"
    assert in_ms(slow["p99"]) > 3 * in_ms(pool["p50"]) >= 3 * 50
    assert in_ms(slow["p99"]) >= in_ms(slow["Naive p99"])
    assert int(slow["Accept queue, most"]) > 1
    assert "µs" in pool["CPU a request"]
    assert (slow["Processes"], pool["Processes"]) == ("1", "1")
    told = opened.page.locator("#compare-outcome .findings").inner_text()
    assert "Not compared, for the reasons above: sequential" in told
    # A busy machine leaves both models out.
    if "this run measured the generator" not in told:
        assert "Model sequential answered" in told
        assert (
            "Model thread pool answered" in told
            or "Not compared, for the reasons above: sequential." in told
        )
    opened.until("document.querySelectorAll('#compare-outcome .js-plotly-plot').length === 3")
    eventually(
        lambda: {one.name for one in control.listeners.statuses()} == {"files", "wsgi", "asgi"}
    )
    opened.page.locator("#run-strip").wait_for(state="hidden")
    assert opened.page.evaluate("location.search") == "?comparison=1"
    opened.page.evaluate("document.documentElement.dataset.kept = 'yes'")
    opened.page.get_by_role("link", name="Comparison 1").click()
    opened.until("location.search === '?comparison=1' && location.hash === '#compare'")
    assert opened.page.evaluate("document.documentElement.dataset.kept") == "yes", "no reload"
    opened.follow(WITHOUT_GRAPHS)
    again = open_page("/servers?comparison=1#compare")
    wait_outcome(again, "42" if "42" in told else "done")
    eventually(lambda: column(again, "sequential") == slow)
    again.until("document.getElementById('compare').getBoundingClientRect().top < 300")
    with again.as_phone():
        wait_outcome(again, "\ndone")
        assert again.tables_to_scroll() == []


def test_listeners_that_stand_are_columns_too_and_a_scenario_says_the_load(visit, control):
    opened = visit("Servers").wait_drawn("servers-rate")
    for model in ("sequential", "thread pool"):
        opened.page.get_by_role("checkbox", name=model).press("Space")
    press(opened, "Compare")
    refused = opened.page.locator("#compare-answer")
    refused.get_by_text("Choose 2 to 4 models, listeners, apps and named hosts").wait_for()
    opened.page.locator("#compare-listeners").press("ArrowDown")
    for name in ("wsgi", "asgi"):
        opened.page.get_by_role("option", name=name, exact=True).click()
    opened.page.keyboard.press("Escape")
    fill(opened, "Scenario for each (TOML)", SCENARIO)
    press(opened, "Compare")
    wait_outcome(opened, "wsgi, asgi at Whoami, 20 req/s for 1 s each")
    wait_outcome(opened, "\ndone")
    for name in ("wsgi", "asgi"):
        found = column(opened, name)
        assert found["Answered"] == "20"
        assert f"listener {name}" in found["Limit"].lower()
        assert found["Memory"] == "—"
    wait_outcome(opened, "are not known apart from the dashboard's")
    opened.until("document.querySelectorAll('#compare-outcome .js-plotly-plot').length === 3")
    assert {one.name for one in control.listeners.statuses()} == {"files", "wsgi", "asgi"}


def test_stop_from_the_header_and_the_next_one_is_shown(visit, control):
    opened = visit("Servers").wait_drawn("servers-rate")
    fill(opened, "Seconds", 60)
    press(opened, "Compare")
    strip = opened.page.locator("#run-strip")
    strip.get_by_text("of 60 s").wait_for(timeout=SECONDS * 1000)
    opened.page.locator("#run-stop").click()
    eventually(lambda: control.comparisons.newest_first(1)[0].state is RunState.STOPPED)
    strip.wait_for(state="hidden")
    wait_outcome(opened, "stopped")
    eventually(
        lambda: {one.name for one in control.listeners.statuses()} == {"files", "wsgi", "asgi"}
    )


def test_what_cannot_run_is_said_beside_the_form_and_the_boxes_obey_the_keyboard(visit, control):
    opened = visit("Servers").wait_drawn("servers-rate")
    before = len(control.comparisons.newest_first(50))
    for label, value, told in (
        ("Rate", "9999999", "The rate is above 0 and at most"),
        ("Rate", "-5", "requests per second, not -5"),
        ("Connections", "0", "between 1 and 4,096, not 0"),
        ("Seconds", "", "Fill in a number of seconds"),
        ("Path and query", "no slash", "does not start with"),
    ):
        as_it_was = opened.page.get_by_role("textbox", name=label, exact=True).input_value()
        fill(opened, label, value)
        press(opened, "Compare")
        opened.page.locator("#compare-answer").get_by_text(told).wait_for()
        fill(opened, label, as_it_was)
    # One model alone is no comparison.
    opened.page.get_by_role("checkbox", name="sequential").press("Space")
    press(opened, "Compare")
    refused = opened.page.locator("#compare-answer")
    refused.get_by_text("Choose 2 to 4 models, listeners, apps and named hosts").wait_for()
    opened.page.get_by_role("checkbox", name="sequential").press("Space")
    opened.until("document.getElementById('compare-answer').innerText === ''")
    assert len(control.comparisons.newest_first(50)) == before


def test_an_app_brings_its_path(visit):
    opened = visit("Servers").wait_drawn("servers-rate")
    opened.page.locator("#compare-endpoint").click()
    opened.page.get_by_role("option", name="Static file, 8 KB").click()
    opened.until("document.getElementById('compare-target').value === '/data/glossary.json'")


def test_on_a_phone_the_page_stays_as_wide_as_the_screen(visit):
    opened = visit("Servers").wait_drawn("servers-rate")
    with opened.as_phone():
        opened.until("document.documentElement.scrollWidth === 390")
        opened.page.get_by_role("link", name="Compare side by side").click()
        opened.until("document.getElementById('compare').getBoundingClientRect().top < 300")
