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
    least, and where a request that is still awaited has waited for longer than the figure. Where
    those that are awaited prove a longer one, it is that bound, see `servescope.load.awaited`.
    """
    proven_ms = _proven_ms(progress)
    if proven_ms is not None:
        return units.Duration(min(proven_ms / 1e3, timeout_s), is_bound=True)
    p99_ms = progress.get("p99_ms")
    if p99_ms is None or progress.get("p99_over_s") is None:
        return units.Duration(None)
    limit_s = min(p99_ms / 1e3, timeout_s)
    has_older = (progress.get("awaited_for_ms") or 0.0) > p99_ms
    return units.Duration(limit_s, is_bound=has_older or limit_s >= timeout_s)


def awaited_s(progress: Mapping[str, Any], timeout_s: float) -> float | None:
    """For how long the oldest request that has not ended is awaited, in seconds; None: none is.

    Its timeout at most: the generator looks for timeouts now and then, and counts a request as
    awaited until it does.
    """
    awaited_ms = progress.get("awaited_for_ms")
    return None if awaited_ms is None else min(awaited_ms / 1e3, timeout_s)


def p99_name(progress: Mapping[str, Any]) -> str:
    """The p99 with the seconds in which its requests ended: `p99, last 3 s`.

    Or came due, where it is what those that are still awaited prove: `p99, due in last 9 s`.
    """
    if _proven_ms(progress) is not None:
        return f"p99, due in last {units.length(max(round(progress['awaited_for_ms'] / 1e3), 1))}"
    over_s = progress.get("p99_over_s")
    return "p99" if over_s is None else f"p99, last {units.length(max(round(over_s), 1))}"


def _proven_ms(progress: Mapping[str, Any]) -> float | None:
    """The bound that awaited requests set for the p99, if it exceeds that of the ended ones."""
    proven_ms, ended_ms = progress.get("awaited_p99_ms"), progress.get("p99_ms")
    is_known = ended_ms is not None and progress.get("p99_over_s") is not None
    if proven_ms is None or progress.get("awaited_for_ms") is None:
        return None
    return None if is_known and proven_ms <= ended_ms else float(proven_ms)


def server_errors(figures: Mapping[str, Any]) -> int | None:
    """Answers of 5xx of a progress or a result; None of one that does not tell them apart."""
    return answers(figures, "5xx")


def answers(figures: Mapping[str, Any], status_class: str) -> int | None:
    """Answers of a class of a progress or a result; None of one that does not tell them apart."""
    classes = figures.get("status_classes")
    return None if classes is None else int(classes.get(status_class) or 0)
