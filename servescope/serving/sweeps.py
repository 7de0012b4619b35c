"""How often a model looks for passed deadlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servescope.records import ListenerOptions

_SWEEPS_PER_DEADLINE: Final = 8
_BOUNDS_S: Final = (0.02, 1.0)


def sweep_seconds(options: ListenerOptions) -> float:
    """An eighth of the shortest deadline, at most one second."""
    shortest_s = min(
        options.head_seconds,
        options.body_seconds,
        options.write_seconds,
        options.keep_alive_seconds,
    )
    low, high = _BOUNDS_S
    return min(max(shortest_s / _SWEEPS_PER_DEADLINE, low), high)
