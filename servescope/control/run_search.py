"""A search among the load runs, in SQL: words, a span of time, and an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_NUMBER: Final = r"json_extract(result, '$.{}')"
_TOLD_OF: Final = "CASE result WHEN '{}' THEN progress ELSE result END"  # as the lists show it
_TARGET: Final = (
    "coalesce(json_extract(plan, '$.scenario.flows[0].steps[0].target'),"
    " json_extract(plan, '$.target'))"  # a plan from before there were scenarios
)
ORDERS: Final = {
    "id": "id",
    "name": "name COLLATE NOCASE",
    "state": "state",
    "listener": "json_extract(plan, '$.listener')",
    "target": _TARGET,
    "sent": f"json_extract({_TOLD_OF}, '$.sent')",
    "failed": f"(SELECT sum(value) FROM json_each({_TOLD_OF}, '$.failed'))",  # noqa: S608 - our own names
    "errors": (
        f"CASE json_type({_TOLD_OF}, '$.status_classes') WHEN 'object'"
        f""" THEN coalesce(json_extract({_TOLD_OF}, '$.status_classes."5xx"'), 0) END"""
    ),
    "p50": _NUMBER.format("latency_ms.p50"),
    "p99": _NUMBER.format("latency_ms.p99"),
    "max": _NUMBER.format("latency_ms.max"),
}
"""SQL of each figure that runs can be sorted by; runs without it come last."""

_TOLD: Final = ("name", "note", "tags", "state")
_OF_PLAN: Final = ("listener", "origin", "target", "name")
"""Fields of a plan that are searched, at any depth: those of a scenario's steps are among them."""


@dataclass(frozen=True, slots=True)
class RunSearch:
    """The load runs that are wanted, those of comparisons never; `order` is one of ORDERS.

    Each of `words` is in a run's name, note, tags, state, listener, host or a target, in any case
    of ASCII letters, or is its number. With `span_s` the runs of this host that ended
    within it, epoch seconds.
    """

    words: tuple[str, ...] = ()
    order: str = "id"
    is_descending: bool = True
    span_s: tuple[float, float] | None = None

    def condition(self) -> tuple[str, tuple[Any, ...]]:
        """The SQL condition, and its parameters."""
        parts = ["coalesce(json_extract(plan, '$.comparison'), 0) = 0"]
        parameters: list[Any] = []
        if self.span_s is not None:
            parts.append("started_s < ? AND ended_s > ? AND ended_s <= ? AND origin = ''")
            start_s, end_s = self.span_s
            parameters += [end_s, start_s, end_s]
        for word in self.words:
            number = word.removeprefix("#")
            pattern = f"%{_escaped(word)}%"
            told = " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in _TOLD)
            keys = ", ".join("?" * len(_OF_PLAN))
            parts.append(
                f"(CAST(id AS TEXT) = ? OR {told} OR EXISTS (SELECT 1 FROM json_tree(plan)"  # noqa: S608 - our own names
                f" WHERE key IN ({keys}) AND atom LIKE ? ESCAPE '\\'))"
            )
            parameters += [number, *([pattern] * len(_TOLD)), *_OF_PLAN, pattern]
        return " AND ".join(parts), tuple(parameters)

    @property
    def order_by(self) -> str:
        """The SQL order; of runs that are alike in it the newest first."""
        direction = "DESC" if self.is_descending else "ASC"
        return f"{ORDERS[self.order]} {direction} NULLS LAST, id DESC"


def _escaped(word: str) -> str:
    """The word, with what LIKE would take for a pattern."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
