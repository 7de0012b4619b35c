"""Hosts that the operator named are compared as listeners are, and of them little is known."""

from __future__ import annotations

from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict

import numpy as np
import pytest

from servescope.queries.capacity import search_of
from servescope.records.load import RunState
from servescope.serving.tls.certificates import self_signed_pair
from servescope.statistics.capacity_limits import EdgeEvidence
from tests.browser.conftest import FITS, WITHOUT_GRAPHS
from tests.browser.test_comparison import column, wait_outcome
from tests.browser.test_servers import fill, press
from tests.browser.test_verdict import RESULT
from tests.named_server import named_server
from tests.processes import Dashboards, eventually
from tests.statistics.simulated_queues import Queue, constant, search

pytestmark = pytest.mark.browser
UNREAD = (
    "CPU a request",
    "CPU of one core, busiest process",
    "Processes",
    "Threads",
    "Memory",
    "Accept queue, most",
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two origins: one of HTTP, one of HTTPS, whose certificate the system trusts."""
    pair = self_signed_pair(tmp_path_factory.mktemp("certificate"))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", str(pair[0]))  # the dashboard's, not this process's
        yield [stack.enter_context(named_server()), stack.enter_context(named_server(pair))]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory, hosts):
    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    yield dashboards(LOAD_HOSTS=",".join(hosts))
    dashboards.end()


def test_two_named_hosts_beside_a_model_are_compared_and_fit_on_a_phone(visit, dashboard, hosts):
    opened = visit("Servers").wait_drawn("servers-rate")
    opened.page.get_by_role("checkbox", name="sequential").press("Space")
    opened.page.get_by_label("Listeners, apps and hosts").first.press("ArrowDown")
    for origin in hosts:
        opened.page.get_by_role("option", name=origin, exact=True).click()
    opened.page.keyboard.press("Escape")
    fill(opened, "Path and query", "/")
    fill(opened, "Rate", 20)
    fill(opened, "Seconds", 2)
    press(opened, "Compare")
    opened.page.get_by_role("button", name="Stop comparing").wait_for()
    opened.follow(WITHOUT_GRAPHS)
    with closing(dashboard.control) as control:
        eventually(lambda: control.comparisons.newest_first(1)[0].is_over)
    opened.follow("Servers")
    wait_outcome(opened, "\ndone")
    for origin in hosts:
        found = column(opened, origin)
        assert (found["Answered"], found["Failed"]) == ("40", "0")
        assert f"server {origin}" in found["Limit"].lower()
        assert {found[name] for name in UNREAD} == {"not known"}
    assert "not known" not in column(opened, "thread pool")["Memory"]
    said = opened.page.locator("#compare-outcome").inner_text()
    assert "host that the operator named" in said
    assert "only its answers are known here" in said
    assert f"listener {hosts[0]}" not in said.lower()
    with closing(dashboard.control) as control:
        (compared,) = control.comparisons.newest_first(1)
        assert compared.state is RunState.DONE
        plans = [control.load_runs.by_id(one.run_id).plan for one in compared.contenders[1:]]
        assert [(one.listener, one.origin) for one in plans] == [("", one) for one in hosts]
        assert {one.address for one in plans} <= {"127.0.0.1", "::1"}, "looked up once, and kept"
        assert None not in {one.lookup_seconds for one in plans}
        # None of them is in the list of runs, nor in an annotation of its own.
        assert not [text for text in _events(control) if text.startswith("run ")]
    with opened.as_phone():
        wait_outcome(opened, "\ndone")
        opened.until("document.documentElement.scrollWidth === 390")


def test_what_a_named_host_carries_is_searched_and_its_limit_is_not_known(visit, dashboard, hosts):
    origin = hosts[1]  # over HTTPS
    opened = visit("Load").wait_drawn("load-rates")
    panel = opened.page.locator("#capacity")
    panel.get_by_label("Loaded server").click()
    opened.page.get_by_role("option", name=origin, exact=True).click()
    panel.get_by_role("button", name="Find").click()
    panel.get_by_text(f"{origin} /, p99 ≤ 100 ms, failed ≤ 1 %").wait_for()
    with closing(dashboard.control) as control:
        eventually(lambda: control.capacity_searches.newest().steps, 60)
        panel.get_by_role("button", name="Stop").click()
        over = eventually(lambda: (found := control.capacity_searches.newest()).is_over and found)
        assert (over.state, over.message) == (RunState.STOPPED, "")
        assert (over.plan.listener, over.plan.host.origin) == ("", origin)
        assert over.plan.host.address in {"127.0.0.1", "::1"}
        assert over.steps[0]["sent"] == 100
        assert over.steps[0]["failed"] == 0, "its certificate is one that the system trusts"
        found = search_of(over.plan)
        search(Queue(4, lambda _, count: np.full(count, 0.02), constant), found)
        elsewhere = asdict(EdgeEvidence(is_elsewhere=True, generator_cpu=0.05))
        control.capacity_searches.write_steps(
            over.id, [step.to_json() for step in found.steps], elsewhere
        )
    said = opened.page.locator("#capacity-now")
    for device in (nullcontext(), opened.as_phone()):
        with device:
            said.get_by_text(f"Server {origin} carries").wait_for()
            said.get_by_text("nothing is read of its threads, queues and cores").wait_for()
            opened.until(FITS)


def test_a_named_host_is_judged_and_its_stages_are_not_known(visit, dashboard, hosts):
    opened = visit("Load").wait_drawn("load-rates")
    panel = opened.page.locator("#verdict")
    for label, origin in (("Before", hosts[0]), ("After: is it slower?", hosts[1])):
        panel.get_by_label(label, exact=True).first.click()
        opened.page.get_by_role("option", name=origin, exact=True).locator("visible=true").click()
    panel.get_by_label("Rate on both, req/s").fill("40")
    panel.get_by_label("Seconds of each run").fill("0.5")
    panel.get_by_role("button", name="Judge", exact=True).click()
    heading = f"before is server {hosts[0]}, after is server {hosts[1]}"
    panel.get_by_text(heading).wait_for()
    with closing(dashboard.control) as control:
        eventually(lambda: control.verdicts.newest().result, 60)
        panel.get_by_role("button", name="Stop").click()
        over = eventually(lambda: (found := control.verdicts.newest()).is_over and found)
        assert (over.state, over.message) == (RunState.STOPPED, "")
        assert [one.host.origin for one in (over.plan.before, over.plan.after)] == hosts
        assert {one.host.address for one in (over.plan.before, over.plan.after)} <= {
            "127.0.0.1",
            "::1",
        }
        control.verdicts.write_result(over.id, RESULT | {"stages": []})
    said = opened.page.locator("#verdict-now")
    for device in (nullcontext(), opened.as_phone()):
        with device:
            said.get_by_text(f"of server {hosts[0]} only the answers are known here").wait_for()
            opened.until(FITS)


def _events(control):
    return [one.text for one in control.events.between(0, 2**32)]
