"""Recorded metrics and load runs as pandas DataFrames: `read_store` and `read_run`.

A process that only imports `servescope` loads no pandas; `servescope.read_store` and `read_run`
import this module when they are first used.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from servescope import histogram
from servescope.catalog import BY_NAME, Kind
from servescope.errors import DataFolderError, ExportError
from servescope.paths import absolute
from servescope.queries.export import (
    DEFAULT_SECONDS,
    check_size,
    metrics_named,
    recorded,
    span_within,
    statistics,
)
from servescope.queries.run_figures import result_figures
from servescope.queries.span import MOST_SECOND, STEPS, Span
from servescope.records.scenarios import RequestStep
from servescope.run_files.imported import unpack
from servescope.settings import load_settings
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_read_only

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.catalog import Metric
    from servescope.queries.export import Rows
    from servescope.records.load import LoadRun
    from servescope.records.metrics import Labels
    from servescope.run_files.document import RunDocument
    from servescope.store.base import Queryable

Duration = timedelta | np.timedelta64
Moment = datetime | np.datetime64 | Duration | str | float
"""A time: a datetime or ISO 8601 (UTC without an offset), epoch seconds, or, as a negative
timedelta or a text such as "-1h", so long before the newest second."""


def read_store(
    metric: str | Sequence[str],
    *,
    folder: str | Path | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    step: int | str | Duration | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Recorded metrics of the store in `folder`, a row a step, a column a series and statistic.

    The index `time` has the starts of the steps in UTC. The columns are a MultiIndex of `metric`,
    `statistic` and one level for each label of the metrics ("" where a metric has no such label). A
    gauge has the statistics `avg`, `min` and `max` of each step, a counter its `increase`, a
    histogram `count`, `mean`, `p50`, `p90` and `p99`. NaN: nothing was measured.
    `attrs["units"][metric][statistic]` is a UCUM code, `attrs["step_s"]` the step in seconds.

    folder: default that of the settings, `SERVESCOPE_DATA_DIR` among them.
    start, end: default the newest 5 minutes; `end` is not included.
    step: seconds, a timedelta or a text such as "10s"; default at most 900 steps. It is longer in
        the answer where the store keeps the span less finely.
    where: labels that the series must bear, `{"http.route": "/"}`.

    Nothing in the folder is changed, and a dashboard may be running on it. Raises DataFolderError
    when there is no store, ExportError when what was asked for cannot be, StoreError when the store
    cannot be read.
    """
    metrics = metrics_named([metric] if isinstance(metric, str) else list(metric))
    labels = _labels(metrics, where or {})
    chosen_s = None if step is None else _step_s(step)
    with closing(open_read_only(_folder(folder))) as store:
        bounds = recorded(store)
        newest_end_s = bounds[1] + 1
        end_s = newest_end_s if end is None else _second("end", end, newest_end_s)
        start_s = (
            end_s - DEFAULT_SECONDS if start is None else _second("start", start, newest_end_s)
        )
        if start_s >= end_s:
            raise ExportError(f"start ({start_s}) must lie before end ({end_s})")
        span = span_within(bounds, start_s, end_s, chosen_s)
        check_size(store, metrics, span, labels)
        parts = [rows for one in metrics for rows in statistics(store, one, span, labels)]
    return _frame(metrics, parts, span.step)


@dataclass(frozen=True, slots=True)
class RunFrames:
    """A load run of a run file.

    `document`: the run, its plan, and what was said of it. The frames carry units in `attrs`:
    - `result`: one row, at the time the run began; a column a figure (`latency.p99`).
    - `steps`: a row for each step of each flow, in order: what was sent, and what came of it where
      the result tells requests of the mix apart.
    - `series`: as `read_store` gives them, a row a second; every metric with a value in the span.
    - `histogram`: requests by latency of the client, a row for each bucket.
    """

    document: RunDocument
    result: pd.DataFrame
    steps: pd.DataFrame
    series: pd.DataFrame
    histogram: pd.DataFrame


def read_run(file: str | Path) -> RunFrames:
    """The load run of a `.servescope` file. Raises RunFileError when it is none."""
    with TemporaryDirectory(prefix="servescope-") as name:
        folder = Path(name)
        document = unpack(absolute(file), folder)
        series = _empty_series()
        if not document.without_series:
            with closing(open_read_only(folder)) as store:
                series = _run_series(store, Span(*document.span, 1))
    return RunFrames(
        document,
        _result(document.run),
        _steps(document.run),
        series,
        _histogram(document.run.result.get("histogram") or [0] * histogram.BUCKETS),
    )


def _run_series(store: Queryable, span: Span) -> pd.DataFrame:
    metrics = [metric for metric in BY_NAME.values() if store.series(metric.name)]
    parts = [_with_values(rows) for one in metrics for rows in statistics(store, one, span)]
    frame = _frame(metrics, [rows for rows in parts if rows.labels], span.step)
    return frame.sort_index(axis="columns")  # a lookup by metric of an unsorted one warns


def _with_values(rows: Rows) -> Rows:
    """Without the series that the store knew and that had no value in the span.

    A counter or histogram that did not move is zero in every second that has a frame.
    """
    is_gauge = rows.metric.kind is Kind.GAUGE
    there = ~np.isnan(rows.values) if is_gauge else np.nan_to_num(rows.values) != 0
    kept = np.flatnonzero(there.any(axis=1))
    values = rows.values[kept]  # noqa: PD011 - an array of ours
    return replace(rows, labels=[rows.labels[index] for index in kept], values=values)


def _empty_series() -> pd.DataFrame:
    frame = pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC", name="time"))
    frame.attrs = {"units": {}, "step_s": 1}
    return frame


def _result(run: LoadRun) -> pd.DataFrame:
    figures = result_figures(run)
    began = pd.to_datetime([run.started_s or run.requested_s], unit="s", utc=True)
    values = {one.name: [np.nan if one.value is None else one.value] for one in figures}
    frame = pd.DataFrame(values, index=began.rename("time"))
    frame.attrs = {"units": {one.name: one.unit for one in figures}}
    return frame


def _steps(run: LoadRun) -> pd.DataFrame:
    scenario = run.plan.scenario
    rows = [
        (
            at,
            flow.weight,
            step.name,
            step.method if isinstance(step, RequestStep) else "WebSocket",
            step.target,
        )
        for at, flow in enumerate(scenario.flows)
        for step in flow.steps
    ]
    frame = pd.DataFrame(rows, columns=["flow", "weight", "name", "method", "target"])
    frame.attrs = {"units": {"weight": "1"}}
    measured = [step for step in run.result.get("steps", ()) if step["kind"] != "message"]
    labels = [step.label for flow in scenario.flows for step in flow.steps]
    if [step["name"] for step in measured] == labels:
        for name in ("sent", "answered"):
            frame[name] = [step[name] for step in measured]
            frame.attrs["units"][name] = "{request}"
        frame["failed"] = [sum(step["failed"].values()) for step in measured]
        frame.attrs["units"]["failed"] = "{request}"
        for name in ("p50", "p90", "p99", "max"):
            values = [step["latency_ms"][name] for step in measured]
            frame[f"latency.{name}"] = pd.Series(values, dtype=float)
            frame.attrs["units"][f"latency.{name}"] = "ms"
    return frame


def _histogram(counts: Sequence[int]) -> pd.DataFrame:
    edges = np.concatenate(([0.0], histogram.EDGES, [np.inf]))
    frame = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "requests": list(counts)})
    frame.attrs = {"units": {"from": "s", "to": "s", "requests": "{request}"}}
    return frame


def _frame(metrics: Sequence[Metric], parts: Sequence[Rows], step_s: int) -> pd.DataFrame:
    label_names = list(dict.fromkeys(name for metric in metrics for name in metric.labels))
    columns = []
    units: dict[str, dict[str, str]] = {}
    for part in parts:
        series = [dict(labels) for labels in part.labels]
        header = pd.MultiIndex.from_arrays(
            [
                [part.metric.name] * len(series),
                [part.statistic] * len(series),
                *([labels.get(name, "") for labels in series] for name in label_names),
            ],
            names=["metric", "statistic", *label_names],
        )
        time = pd.to_datetime(part.times, unit="s", utc=True).rename("time")
        values = part.values.T  # noqa: PD011 - an array of ours
        columns.append(pd.DataFrame(values, index=time, columns=header))
        units.setdefault(part.metric.name, {})[part.statistic] = part.unit
        if part.times.size > 1:  # a coarser one than was asked for, where seconds are gone
            step_s = int(part.times[1] - part.times[0])
    frame = pd.concat(columns, axis="columns", sort=True)
    frame.attrs = {"units": units, "step_s": step_s}
    return frame


def _folder(given: str | Path | None) -> Path:
    folder = load_settings().data_dir if given is None else absolute(given)
    try:
        has_store = (folder / FILE_NAME).is_file()
    except OSError as error:
        raise DataFolderError(f"the folder {folder} cannot be read: {error.strerror}") from error
    if not has_store:
        other = "SERVESCOPE_DATA_DIR or folder= names another" if given is None else "name another"
        raise DataFolderError(f"there is no store in {folder} (no file {FILE_NAME}); {other}")
    return folder


def _labels(metrics: Sequence[Metric], where: Mapping[str, str]) -> Labels:
    for metric in metrics:
        for name in where:
            if name not in metric.labels:
                known = ", ".join(metric.labels) or "none"
                raise ExportError(f"{metric.name} has no label {name!r}; its labels are: {known}")
    return tuple(sorted((name, str(value)) for name, value in where.items()))


def _second(name: str, given: Moment, newest_end_s: int) -> int:
    """Epoch seconds. `newest_end_s` is the end of the newest second in the store."""
    no_time = (
        f"{name}={given!r} is no time: a datetime, ISO 8601 as '2026-11-20T10:15:00Z', epoch "
        "seconds, or a span before the newest second as '-1h'"
    )
    try:
        if isinstance(given, (int, float, np.integer)):
            seconds = float(given)
        elif isinstance(given, (timedelta, np.timedelta64)) or (
            isinstance(given, str) and given.startswith("-")
        ):
            seconds = newest_end_s + pd.Timedelta(given).total_seconds()
        else:
            moment = pd.Timestamp(given)
            utc = moment.tz_localize("UTC") if moment.tzinfo is None else moment
            seconds = utc.timestamp()
    except (ValueError, TypeError, OverflowError):
        raise ExportError(no_time) from None
    if not 0 <= seconds < MOST_SECOND:  # NaN is neither
        raise ExportError(f"{name}={given!r} is out of range: epoch seconds in [0, {MOST_SECOND})")
    return int(seconds)


def _step_s(given: int | str | Duration) -> int:
    try:
        seconds = (
            float(given)
            if isinstance(given, (int, np.integer))
            else pd.Timedelta(given).total_seconds()
        )
    except (ValueError, TypeError):
        seconds = 0.0
    if not (1 <= seconds <= STEPS[-1] and seconds.is_integer()):
        raise ExportError(
            f"step={given!r} is no step: whole seconds from 1 to {STEPS[-1]}, or a text as '10s'"
        )
    return int(seconds)
