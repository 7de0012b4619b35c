"""The demos: bounded, each with a line of its own, on whichever listener hosts the app."""

import pytest

from servescope.actions.comparisons import check, read
from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.actions.load_demos import DEMOS, ComparisonDemo, LoadDemo
from servescope.actions.load_runs import read_scenario
from servescope.errors import LoadRefusedError
from servescope.load.targets import Targets
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.scenarios.checks import check_scenario

MOST_SECONDS = 20
LOADS = [name for name, demo in DEMOS.items() if isinstance(demo, LoadDemo)]
COMPARISONS = [name for name, demo in DEMOS.items() if isinstance(demo, ComparisonDemo)]


def status(name, app, state=ListenerState.RUNNING, **more):
    return ListenerStatus(name, state, "127.0.0.1", 5555, "thread_pool", app, 5555, **more)


def test_titles_and_lines_differ():
    assert len({demo.title for demo in DEMOS.values()}) == len(DEMOS)
    assert len({demo.line for demo in DEMOS.values()}) == len(DEMOS)


@pytest.mark.parametrize("name", LOADS)
def test_a_load_demo_is_its_scenario_on_the_listener_of_its_app(name):
    demo = DEMOS[name]
    statuses = [
        status("stopped", demo.app, ListenerState.STOPPED),
        status("contender", demo.app, is_temporary=True),
        status("mine", "shop:app"),
        status("bundled", demo.app),
    ]
    request = demo.request(statuses)
    assert request.listener == "bundled"
    assert read_scenario(request) == demo.scenario
    check_scenario(demo.scenario, 1_000, MOST_SECONDS)


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_demo_takes_all_models_a_few_seconds_each(settings, name):
    plan = read(settings, DEMOS[name].request)
    check(plan, settings, Targets())
    assert len(plan.models) * plan.scenario.schedule.seconds < MOST_SECONDS


def test_a_demo_whose_app_nobody_hosts_is_refused():
    with pytest.raises(LoadRefusedError, match=f"no running listener hosts {BUNDLED_WSGI}"):
        DEMOS["hello"].request([status("wsgi", "shop:app")])
