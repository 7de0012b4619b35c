"""After a load run the latency page holds the client's clock against the sum of the stages."""

import re

import pytest

from servescope.records.load import LoadPlan, RunState
from tests.browser.test_load import newest_run
from tests.processes import eventually

pytestmark = pytest.mark.browser

SLOW_MS = 20


def milliseconds(text):
    number, unit = re.fullmatch(r"(-?[\d.,]+) (µs|ms|s)", text.strip()).groups()
    return float(number.replace(",", "")) * {"µs": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def test_the_residual_of_a_run_is_beside_the_two_clocks_and_fits_in_words(open_page, dashboard):
    opened = open_page("/latency").wait_drawn("latency-stages")
    table = opened.page.locator("#latency-residual")
    table.get_by_text("No load run was timed by both clocks in this span").wait_for()
    control = dashboard.control
    control.load_runs.request(LoadPlan.constant("wsgi", f"/slow?ms={SLOW_MS}", 50, 4), 0.0)
    control.close()
    eventually(lambda: newest_run(dashboard).state is RunState.DONE)
    table.get_by_text("(done)").wait_for()
    # The last second of the run may come with the next poll.
    counts = table.locator("tbody td:nth-child(2)")
    eventually(lambda: counts.all_inner_texts() == ["200", "200", ""])
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
    (client, server, unexplained) = rows
    assert [row[0] for row in rows] == ["Client, from send", "Sum of server stages", "Unexplained"]
    assert client[1] == server[1] == "200"
    assert milliseconds(client[2]) >= SLOW_MS
    assert milliseconds(server[2]) >= SLOW_MS
    difference = milliseconds(client[2]) - milliseconds(server[2])
    longer = re.fullmatch(r"none: server (.+) longer", unexplained[2])
    if longer:
        assert milliseconds(longer[1]) == pytest.approx(-difference, abs=0.11)
        table.get_by_text("no time outside them could be measured").wait_for()
    elif unexplained[2] == "\N{EM DASH}":  # the server waited for a core before it noted the ends
        assert difference < -0.4  # more than findings.clocks.NOISE_S, as the table rounds it
        table.get_by_text("the difference says nothing").wait_for()
    else:
        assert milliseconds(unexplained[2]) == pytest.approx(difference, abs=0.11)
    check_words_in_the_place_of_a_figure_wrap_within_the_panel(table)


def check_words_in_the_place_of_a_figure_wrap_within_the_panel(table):
    """Both clocks in half a window: figures in words must not push the last column out of sight."""
    is_within = table.locator(".rows").evaluate(
        """rows => {
            for (const cell of rows.querySelectorAll("tbody tr:last-child td:nth-child(n + 3)")) {
                cell.innerHTML = '<span class="in-words">none: server 219 µs longer</span>';
            }
            return rows.scrollWidth <= rows.clientWidth;
        }"""
    )
    assert is_within
