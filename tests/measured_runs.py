"""A data folder with a load run that is over, and the seconds that were recorded around it."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np

from servescope import catalog, histogram
from servescope.control import Control
from servescope.exports.order import RunExportOrder
from servescope.exports.run_writing import run_export_parts
from servescope.exports.writing import ExportSource
from servescope.load.report import (
    LagSummary,
    LatencySummary,
    Phase,
    Result,
    StepKind,
    StepResult,
)
from servescope.records.load import LoadPlan, RunState
from servescope.scenarios.rules import RuleResult, RuleState
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store

START = 1_700_000_035  # amid a minute
SECONDS = 90
HOST = "host-a"
WSGI = (("listener", "wsgi"),)
ANSWERED = (
    ("http.request.method", "GET"),
    ("http.response.status_code", "200"),
    ("http.route", "/café"),
    ("listener", "wsgi"),
)
_STAGES = {"kernel": 0.1, "read": 0.05, "queue": 0.2, "app": 0.5, "body": 0.05, "write": 0.1}


def _histogram(metric, labels, durations):
    delta = HistogramDelta(histogram.count(durations), float(durations.sum()))
    return {SeriesKey(metric, labels): delta}


def frame(ts):
    """A second whose figures follow from its number and are not round, as in life."""
    random = np.random.default_rng(ts)
    durations = random.lognormal(-6, 1, 120)
    histograms = (
        _histogram(catalog.REQUEST_DURATION, ANSWERED, durations)
        | _histogram(catalog.LOAD_DURATION, WSGI, durations * 1.3)
        | _histogram(catalog.LOAD_NAIVE_DURATION, WSGI, durations * 1.2)
    )
    for stage, share in _STAGES.items():
        labels = (*WSGI, ("stage", stage))
        histograms |= _histogram(catalog.STAGE_DURATION, labels, durations * share)
    cores = {
        SeriesKey(catalog.CPU_UTILIZATION, (("cpu.logical_number", name),)): float(random.random())
        for name in ("0", "1", "all")
    }
    if ts > START + 3:  # a series whose first second lies within the run
        cores[SeriesKey(catalog.ACCEPT_QUEUE_DEPTH, (("port", "8000"),))] = float(ts % 7)
    return Frame(ts, cores, {SeriesKey(catalog.LOAD_SENT, WSGI): 120.0}, histograms)


def result():
    latencies_ns = np.random.default_rng(1).lognormal(15, 1, 10_800).astype(np.int64)
    summary = LatencySummary.of(latencies_ns)
    counts = histogram.count(latencies_ns / 1e9).tolist()
    failed = {"refused": 4, "reset": 6, "timed_out": 0, "protocol": 0, "handshake": 0}
    told = Result(
        10_800, 10_790, failed, 0, 0, {"200": 10_790}, {"2xx": 10_790}, summary, summary,
        LagSummary(0.2, 1.1), 90.1, 120.0, 90.0, 10_780, 10_780 / 90, None, 123_456, 3.2,
        stopped=False, histogram=counts, phases={"wait": Phase(37.5, counts)},
        steps=[
            StepResult(
                "GET /caf%C3%A9?q=a&b", StepKind.REQUEST, 10_800, 10_790, failed, {"200": 10_790},
                summary, summary, None, 123_456, {"wait": Phase(37.5, counts)}, {}, counts,
            )
        ],
        rules=(
            RuleResult("p99 < 5 s", RuleState.PASSING, is_settled=False, value=0.04),
            RuleResult("max < 1 ms", RuleState.FAILING, is_settled=True, value=0.3),
        ),
    )  # fmt: skip
    return json.loads(json.dumps(told.to_json()))  # as the generator prints it


def measure(folder, *, with_seconds=True):
    """Fill a data folder; return the number of its run."""
    if with_seconds:
        with closing(open_store(folder)) as store:
            for start in range(START - 60, START + SECONDS + 90, 30):
                store.write(Batch([frame(ts) for ts in range(start, start + 30)]))
    with closing(Control(folder)) as control:
        plan = LoadPlan.constant("wsgi", "/caf%C3%A9?q=a&b", 120, SECONDS, name="<b>bold</b>")
        run = control.load_runs.request(plan, START - 0.5)
        control.load_runs.update(run.id, state=RunState.RUNNING, started_s=START + 0.25)
        control.load_runs.update(
            run.id, state=RunState.DONE, ended_s=START + SECONDS + 0.35, result=result()
        )
        return run.id


def exported(folder, run_id, form="servescope", instance=HOST):
    """The bytes of an export of a run of this folder."""
    source = ExportSource(str(folder), "sqlite", 64, instance)
    return b"".join(run_export_parts(RunExportOrder(source, run_id, form)))
