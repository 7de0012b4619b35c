"""The figures of a load run under way, the same on pages and on a terminal.

A progress is the JSON object of `servescope.load.report.Progress`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servescope.figures import units

if TYPE_CHECKING:
    from collections.abc import Mapping


def p99(progress: Mapping[str, Any], timeout_s: float) -> units.Duration:
    """The p99 of the newest seconds; none where it is not known of how many requests it is.

    It is a bound from below where requests that timed out reach it, which took the timeout at
    least, and where a request that is still awaited has waited for longer than the figure.
    """
    p99_ms = progress.get("p99_ms")
    if p99_ms is None or progress.get("p99_over_s") is None:
        return units.Duration(None)
    limit_s = min(p99_ms / 1e3, timeout_s)
    has_older = (progress.get("awaited_for_ms") or 0.0) > p99_ms
    return units.Duration(limit_s, is_bound=has_older or limit_s >= timeout_s)


def p99_name(progress: Mapping[str, Any]) -> str:
    """The p99 with the seconds in which its requests ended: `p99, last 3 s`."""
    over_s = progress.get("p99_over_s")
    return "p99" if over_s is None else f"p99, last {units.length(max(round(over_s), 1))}"


def server_errors(figures: Mapping[str, Any]) -> int | None:
    """Answers of 5xx of a progress or a result; None of one that does not tell them apart."""
    return answers(figures, "5xx")


def answers(figures: Mapping[str, Any], status_class: str) -> int | None:
    """Answers of a class of a progress or a result; None of one that does not tell them apart."""
    classes = figures.get("status_classes")
    return None if classes is None else int(classes.get(status_class) or 0)
