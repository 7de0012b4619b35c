"""What the figures of a comparison say, in a few sentences, each derived from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.load_run import ms
from components.status import capitalized
from servescope.figures import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records.comparisons import Comparison, Contender

ALIKE: Final = 1.2
"""Figures that differ by less than this factor are told as alike: a second run may swap them."""

KEPT_UP: Final = 0.9
"""Share of the asked rate from which on a model kept up with it."""


def reading(comparison: Comparison) -> list[str]:
    """Whole sentences, the most telling first; none before two models have been measured."""
    measured = [one for one in comparison.contenders if _p99(one)]
    if len(measured) <= 1:
        return []
    told = [_latency(measured)]
    told += [_behind(one, comparison) for one in measured if not _kept_up(one)]
    told += [_failed(one) for one in measured if _failures(one)]
    told += _waiting([one for one in measured if not _kept_up(one)])
    told += _cost(measured)
    return told


def name(contender: Contender) -> str:
    """A model as a person reads it."""
    return contender.model.label


def failures(contender: Contender) -> int | None:
    """Requests that failed; None while nothing was measured."""
    return _failures(contender) if contender.result else None


def _latency(measured: Sequence[Contender]) -> str:
    best, worst = min(measured, key=_p99), max(measured, key=_p99)
    ratio = _p99(worst) / _p99(best)
    if ratio < ALIKE:
        return (
            f"99 of 100 requests were answered within {ms(_p99(best))} by {name(best)} and within "
            f"{ms(_p99(worst))} by {name(worst)}: at this load they hardly differ."
        )
    return (
        f"99 of 100 requests were answered within {ms(_p99(best))} by {name(best)}, and only "
        f"within {ms(_p99(worst))} by {name(worst)}: {units.number(ratio)} times as long."
    )


def _behind(one: Contender, comparison: Comparison) -> str:
    achieved = units.text(one.result.get("rate_achieved"), "{request}/s")
    asked = units.text(comparison.plan.rate, "{request}/s")
    queue = one.accept_queue_max or 0
    waited = f"; up to {queue} connections waited to be accepted" if queue > 1 else ""
    return f"{capitalized(name(one))} answered {achieved} of the {asked} asked for{waited}."


def _failed(one: Contender) -> str:
    return f"{capitalized(name(one))} left {_failures(one):,} requests without a whole answer."


def _waiting(measured: Sequence[Contender]) -> list[str]:
    """Where the naive figure hides most, among those that did not keep up.

    Of the others the difference is the generator's own lateness.
    """
    if not measured:
        return []
    worst = max(measured, key=lambda one: _p99(one) - _naive(one))
    if not _naive(worst) or _p99(worst) < ALIKE * _naive(worst):
        return []
    hidden = ms(_p99(worst) - _naive(worst))
    told = f"Counted from the actual send, the p99 of {name(worst)} would read {ms(_naive(worst))}"
    return [f"{told}: that hides {hidden} for which requests waited to be sent."]


def _cost(measured: Sequence[Contender]) -> list[str]:
    known = [(one.cpu_us_per_request, one) for one in measured if one.cpu_us_per_request]
    if len(known) <= 1:
        return []
    (least, cheap), (most, dear) = min(known, key=_first), max(known, key=_first)
    if most < ALIKE * least:
        return []
    costs = f"{name(cheap)} {microseconds(least)} of CPU time, {name(dear)} {microseconds(most)}"
    return [f"A request cost {costs}."]


def microseconds(value: float | None) -> str:
    """CPU time of a request."""
    return units.NOTHING if value is None else f"{units.number(value)} µs"


def _first(pair: tuple[float, Contender]) -> float:
    return pair[0]


def _p99(one: Contender) -> float:
    return float((one.result.get("latency_ms") or {}).get("p99") or 0.0)


def _naive(one: Contender) -> float:
    return float((one.result.get("naive_ms") or {}).get("p99") or 0.0)


def _failures(one: Contender) -> int:
    return sum(int(count) for count in (one.result.get("failed") or {}).values())


def _kept_up(one: Contender) -> bool:
    asked = float(one.result.get("rate_asked") or 0.0)
    return float(one.result.get("rate_achieved") or 0.0) >= KEPT_UP * asked
