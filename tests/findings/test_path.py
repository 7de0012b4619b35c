"""Of several paths the one that holds most is named, and a stage stands as where it is worst."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.findings import Severity
from servescope.findings.path import WORKERS, link_of, most_held, stage_severities
from servescope.queries.path import PathStage, Workers
from tests.findings.cases import ONE_LOOP, path

(QUIET,) = path().paths
(SLOW_APP,) = path(20, app=0.3).paths
(QUEUED,) = path(80, Workers(threads=8, busy_threads=8.0, loops=0), queue=0.7, app=0.1).paths


@pytest.mark.parametrize(
    ("paths", "stage"),
    [
        pytest.param([], None, id="no-path"),
        pytest.param([QUIET], None, id="none-holds"),
        pytest.param([QUIET, SLOW_APP], "app", id="one-holds"),
        pytest.param([SLOW_APP, QUEUED, QUIET], "queue", id="two-hold"),
    ],
)
def test_the_path_that_holds_most(paths, stage):
    found = most_held(paths)
    assert (found and found[1].stage.name) == stage


def test_a_stage_stands_as_on_the_path_where_it_is_worst():
    states = stage_severities([QUIET, QUEUED])
    assert states[WORKERS] is Severity.BAD
    assert states["queue"] is Severity.WARN
    assert states["app"] is Severity.GOOD


def test_a_stage_that_nobody_measured_is_unknown():
    (unmeasured,) = path(app=PathStage("app")).paths
    assert stage_severities([unmeasured])["app"] is Severity.UNKNOWN
    assert stage_severities([unmeasured, QUIET])["app"] is Severity.GOOD
    assert stage_severities([replace(QUIET, workers=Workers())])[WORKERS] is Severity.UNKNOWN
    assert stage_severities([replace(QUIET, workers=ONE_LOOP)])[WORKERS] is Severity.GOOD


@pytest.mark.parametrize(
    ("busy", "waiting", "state"),
    [(2.0, 0.4, Severity.GOOD), (2.0, 4.0, Severity.WARN), (8.0, 4.0, Severity.BAD)],
)
def test_the_threads_are_judged_by_the_mean_wait_not_by_the_longest_queue(busy, waiting, state):
    queue = PathStage("queue", 600, 10.0, 0.4, occupancy=waiting, most_waiting=772.0)
    (shown,) = path(10, Workers(threads=8, busy_threads=busy, loops=0), queue=queue).paths
    assert stage_severities([shown])[WORKERS] is state


@pytest.mark.parametrize(
    ("waiting", "state"), [(10.0, Severity.GOOD), (70.0, Severity.WARN), (129.0, Severity.BAD)]
)
def test_the_kernel_stands_as_its_accept_queue_is_filled(waiting, state):
    kernel = PathStage("kernel", 500, 100.0, 0.001, most_waiting=waiting, capacity=128.0)
    (shown,) = path(kernel=kernel).paths
    assert stage_severities([shown])["kernel"] is state


def test_a_stage_leads_to_its_graphs():
    assert link_of("queue", "wsgi") == "/ports"
    assert link_of("app", "wsgi") == "/latency?listener=wsgi"
    assert link_of("app", "") == "/latency"
