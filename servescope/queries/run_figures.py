"""The figures of a load run's result, each with its name and unit, as files list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.load.report import FROM_DUE, FROM_SEND, OF_ERRORS, OF_SUCCESS, latency_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.records.load import LoadRun

_COUNTS: Final = (
    *("sent", "never_sent", "answered", "answered_in_schedule", "cancelled", "resent", "blocked"),
)
_UNITS: Final = {
    **dict.fromkeys(_COUNTS, "{request}"),
    "unfinished_at_start": "{request}",
    "rate_asked": "{request}/s",
    "rate_achieved": "{request}/s",
    "seconds": "s",
    "schedule_seconds": "s",
    "cpu_seconds": "s",
    "bytes_received": "By",
    "timed_out_from_ms": "ms",
    "connections_max": "{connection}",
    "in_flight_mean": "{request}",
}
_SUMMARIES: Final = {
    FROM_DUE: "latency",
    OF_SUCCESS: "success_latency",
    OF_ERRORS: "error_latency",
    FROM_SEND: "naive_latency",
    "lag_ms": "lag",
}
_WITH_BOUNDS: Final = (FROM_DUE, OF_ERRORS, FROM_SEND)
"""Requests that timed out make a lower bound of some of their figures: a row says of which."""

_BY_KIND: Final = {"failed": "failed", "statuses": "status"}


@dataclass(frozen=True, slots=True)
class ResultFigure:
    """One figure: `unit` is a UCUM code; None: nothing was measured.

    One whose name ends with `.is_lower_bound` is 1 where the latency before it is one, else 0, and
    has no unit.
    """

    name: str
    value: float | None
    unit: str


def result_figures(run: LoadRun) -> list[ResultFigure]:
    """All figures of a result, in the same order for each run: `latency.p99` and so on.

    Empty while there is no result.
    """
    return list(_figures(run.result)) if run.result else []


def _figures(result: dict[str, Any]) -> Iterator[ResultFigure]:
    for name, unit in _UNITS.items():
        if name in result:
            yield ResultFigure(name.removesuffix("_ms"), result[name], unit)
    for key, name in _BY_KIND.items():
        for kind, count in result[key].items():
            yield ResultFigure(f"{name}.{kind}", count, "{request}")
    for key, name in _SUMMARIES.items():
        for figure, value in (result.get(key) or {}).items():
            yield ResultFigure(f"{name}.{figure}", value, "ms")
            if key in _WITH_BOUNDS:
                found = latency_of(result, figure, key)
                is_bound = None if found is None else int(found.is_bound)
                yield ResultFigure(f"{name}.{figure}.is_lower_bound", is_bound, "")
