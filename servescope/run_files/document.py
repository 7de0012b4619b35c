"""The JSON of a run file: the run, what was said of it, and where and when it was measured."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError, RunFileError
from servescope.histogram import BUCKETS
from servescope.load.report import LatencySummary
from servescope.records.load import TERMINAL_STATES, LoadPlan, LoadRun, RunState
from servescope.records.run_environment import RunEnvironment
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.rules import RuleResult, parse_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMAT: Final = 1
"""The version that is written; files of later ones are refused."""

LONGEST_S: Final = 86_400
"""Seconds that a run may have lasted: more than any that can be asked for."""

MOST_RATE: Final = 200_000
MOST_SCHEDULE_S: Final = 3_600
"""The highest that `SERVESCOPE_LOAD_MAX_RATE` and `SERVESCOPE_LOAD_MAX_SECONDS` may be."""

MOST_SECOND: Final = 2**33
_LONGEST_NAME: Final = 200
_SEVERITIES: Final = ("bad", "warn", "unknown", "note", "good")


def _is(value: Any, what: str, test: Callable[[Any], bool]) -> Any:
    if not test(value):
        raise ValueError(f"{str(value)[:40]!r} is {what}")
    return value


def _text(value: Any) -> str:
    return str(_is(value, "no text", lambda one: isinstance(one, str)))


def _object(value: Any) -> dict[str, Any]:
    return dict(_is(value, "no object", lambda one: isinstance(one, dict)))


def _number_or_none(value: Any) -> float | None:
    if value is None:
        return None
    _is(value, "no number", lambda one: type(one) in {int, float} and math.isfinite(one))
    return float(value)


def _count(value: Any) -> int:
    return int(_is(value, "no count", lambda one: type(one) is int and 0 <= one < 2**63))


def _second(value: Any) -> float:
    return float(
        _is(
            value,
            "no time in epoch seconds",
            lambda one: type(one) in {int, float} and 0 <= one < MOST_SECOND,
        )
    )


@dataclass(frozen=True, slots=True)
class SaidOfRun:
    """A finding as it was said when the file was written; `severity` as findings have it."""

    severity: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RunDocument:
    """A run as its file describes it, but for the series.

    `run.id` is its number at `host`, which measured it. `without_series` says why the file has no
    series; empty where it has them.
    """

    run: LoadRun
    host: str
    exported_s: float
    findings: tuple[SaidOfRun, ...] = ()
    without_series: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """The whole seconds that the run touched, half open; (0, 0) where it never began."""
        return run_span(self.run)

    @property
    def key(self) -> str:
        """The same for each file of this run, and for no other run: 32 hexadecimal digits."""
        identity = f"{self.host}\0{self.run.id}\0{self.run.requested_s!r}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """`run.json`: all but the histogram, which is a member of its own."""
        run = self.run
        result = {name: value for name, value in run.result.items() if name != "histogram"}
        return {
            "format": FORMAT,
            "host": self.host,
            "exported_s": self.exported_s,
            "span_s": list(self.span),
            "run": {
                "id": run.id,
                "state": run.state.value,
                "requested_s": run.requested_s,
                "started_s": run.started_s,
                "ended_s": run.ended_s,
                "message": run.message,
                "plan": run.plan.to_json(),
                "progress": run.progress,
                "result": result,
                "name": run.name,
                "note": run.note,
                "tags": list(run.tags),
            },
            "environment": {} if run.environment is None else run.environment.to_json(),
            "findings": [
                {"severity": one.severity, "code": one.code, "sentence": one.sentence}
                for one in self.findings
            ],
            "without_series": self.without_series,
        }

    @classmethod
    def from_json(cls, values: Any, histogram: Sequence[int] | None) -> RunDocument:
        """Read what `to_json` wrote, whoever wrote it; fields of nobody's are left out.

        Raises RunFileError, whose text says which part is not as it should be.
        """
        if not isinstance(values, dict):
            raise RunFileError("run.json is not an object")
        version = values.get("format")
        if type(version) is not int or version < 1:
            raise RunFileError("run.json does not say which format it has")
        if version > FORMAT:
            raise RunFileError(
                f"the file has format {version}, and this Servescope reads formats up to {FORMAT}: "
                "open it with a newer one"
            )
        try:
            run = _run(values["run"], _environment(_object(values["environment"])), histogram)
            host = _text(values["host"])
            if not host or len(host) > _LONGEST_NAME or not host.isprintable():
                raise ValueError("host")  # noqa: TRY301 - as every other part that is amiss
            return cls(
                run,
                host,
                _second(values["exported_s"]),
                tuple(map(_said, values["findings"])),
                _text(values["without_series"]),
            )
        except KeyError as error:
            raise RunFileError(f"run.json lacks {error.args[0]!r}") from None
        except LoadRefusedError as error:
            raise RunFileError(f"the plan in run.json could not have been run: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise RunFileError(f"run.json does not describe a load run: {error}") from None


def run_span(run: LoadRun) -> tuple[int, int]:
    """The whole seconds that a run touched, half open; (0, 0) where it never began."""
    seconds = run.whole_seconds
    return (0, 0) if seconds is None or run.ended_s is None else seconds


def _environment(values: dict[str, Any]) -> RunEnvironment | None:
    """The versions and hardware that a run recorded; None where it recorded nothing."""
    if not values:
        return None
    found = RunEnvironment.from_json(values)
    for one in fields(found):
        value = getattr(found, one.name)
        if one.type in {"str", "int", "float", "bool"}:
            _is(value, f"no {one.name}", lambda given: isinstance(given, (str, int, float)))
        elif one.name != "repository":
            _number_or_none(value)
    if found.repository is not None:
        _text(found.repository.commit)
        _text(found.repository.branch)
    return found


def _run(
    values: Mapping[str, Any], environment: RunEnvironment | None, histogram: Sequence[int] | None
) -> LoadRun:
    state = RunState(values["state"])
    if state not in TERMINAL_STATES:
        raise ValueError(f"the run is {state}, not over")
    started_s, ended_s = (
        None if values[name] is None else _second(values[name]) for name in ("started_s", "ended_s")
    )
    if started_s is not None and not (ended_s and 0 <= ended_s - started_s <= LONGEST_S):
        raise ValueError("the run ends before it begins, or more than a day later")
    result = _result(_object(values["result"]))
    if result and histogram is not None:
        result["histogram"] = list(histogram)
    return LoadRun(
        _count(values["id"]),
        # Not as a part of a comparison, which is not here.
        replace(_plan(values["plan"]), comparison=0),
        state,
        _second(values["requested_s"]),
        started_s,
        ended_s,
        _progress(_object(values["progress"])),
        result,
        _text(values["message"]),
        _text(values.get("name", "")),
        _text(values.get("note", "")),
        tuple(map(_text, values.get("tags", ()))),
        environment,
    )


def _plan(values: Any) -> LoadPlan:
    plan = LoadPlan.from_json(values)
    for text in (plan.listener, plan.origin, plan.address):
        _text(text)
    _number_or_none(plan.lookup_seconds)
    _is(plan.is_recorded_app, "no truth value", lambda one: type(one) is bool)
    check_scenario(plan.scenario, MOST_RATE, MOST_SCHEDULE_S)
    return plan


def _summary(values: Any) -> None:
    for figure in _object(values).values():
        _number_or_none(figure)


def _counts(values: Any) -> None:
    for count in _object(values).values():
        _count(count)


_SHOWN: Final[Mapping[str, Callable[[Any], object]]] = {
    "sent": _count,
    "answered": _count,
    "failed": _counts,
    "statuses": _counts,
    "latency_ms": _summary,
    "naive_ms": _summary,
    "lag_ms": _summary,
}
"""The fields of every result, and the check of each."""

_SHOWN_OF_SUMMARY: Final = {
    "latency_ms": ("p50", "p90", "p99", "p99_9", "max"),
    "naive_ms": ("p99",),
    "lag_ms": ("p99", "max"),
}


def _maybe_summary(values: Any) -> None:
    if values is not None:
        _summary(values)


def _maybe_counts(values: Any) -> None:
    if values is not None:
        _counts(values)


def _maybe_names(values: Any) -> None:
    for name in values or ():
        _text(name)


def _phases(values: Any) -> None:
    for phase in _object(values).values():
        _number_or_none(phase["seconds"])
        _buckets(phase["histogram"])


def _steps(values: Any) -> None:
    for step in values:
        _text(step["name"])
        _text(step["kind"])
        _texts(step["examples"])
        _phases(step["phases"])
        _buckets(step["histogram"])
        for name, check in _SHOWN.items():
            if name != "lag_ms":
                check(step[name])


def _rules(values: Any) -> None:
    for rule in values:
        parse_rule(_text(RuleResult.from_json(rule).text))
        _number_or_none(rule["value"])


def _stretches(values: Any) -> None:
    for stretch in values:
        for name in ("from_s", "to_s", "requests"):
            _count(stretch[name])
        for name in ("ended", "failed"):
            if stretch.get(name) is not None:
                _count(stretch[name])
        _summary(stretch["latency_ms"])
        LatencySummary(**stretch["latency_ms"])


def _texts(values: Any) -> None:
    for text in _object(values).values():
        _text(text)


def _buckets(values: Any) -> list[int]:
    """The count of each bucket of a histogram."""
    if not isinstance(values, list) or len(values) != BUCKETS:
        raise ValueError(f"a histogram does not have {BUCKETS} counts")
    return [_count(count) for count in values]


_SHOWN_IF_THERE: Final[Mapping[str, Callable[[Any], object]]] = {
    "status_classes": _counts,
    "model": _text,
    "generator": _text,
    "flows": _maybe_counts,
    "naive_bounds": _maybe_names,
    **dict.fromkeys(("success_ms", "error_ms"), _maybe_summary),
    "phases": _phases,
    "steps": _steps,
    "rules": _rules,
    "stretches": _stretches,
    **dict.fromkeys(("cancelled", "resent", "bytes_received"), _count),
    **dict.fromkeys(
        (
            "seconds",
            "rate_asked",
            "schedule_seconds",
            "rate_achieved",
            "cpu_seconds",
            "timed_out_from_ms",
            "answered_in_schedule",
            "unfinished_at_start",
            "users",
            "requests_per_flow",
            "connection_limit",
            "connections_max",
            "blocked",
            "naive_p10_ms",
            "never_sent",
            "in_flight_mean",
        ),
        _number_or_none,
    ),
}
"""Fields that results of older versions lack."""


def _result(values: dict[str, Any]) -> dict[str, Any]:
    """The result; the parts that this version shows have the types that it shows."""
    if not values:
        return values
    for name, check in _SHOWN.items():
        check(values[name])
    for name, figures in _SHOWN_OF_SUMMARY.items():
        for figure in figures:
            values[name][figure]
    for name, check in _SHOWN_IF_THERE.items():
        if name in values:
            check(values[name])
    return values


def _progress(values: dict[str, Any]) -> dict[str, Any]:
    """The last progress; nothing of it is shown of a run that is over."""
    for name, figure in values.items():
        if isinstance(figure, dict):
            _progress(figure)
        elif name == "model":
            _text(figure)
        elif name == "rules":
            _rules(figure)
        else:
            _number_or_none(figure)
    return values


def histogram_from_json(values: Any) -> list[int]:
    """The counts of `histogram.json`, one for each bucket. Raises RunFileError."""
    counts = values.get("counts") if isinstance(values, dict) else None
    try:
        return _buckets(counts)
    except ValueError as error:
        raise RunFileError(f"histogram.json: {error}") from None


def _said(values: Mapping[str, Any]) -> SaidOfRun:
    severity, code, sentence = (_text(values[name]) for name in ("severity", "code", "sentence"))
    if severity not in _SEVERITIES:
        raise ValueError(f"{severity!r} is no severity")
    return SaidOfRun(severity, code, sentence)
