"""Theory of queues: how long requests stay where one is served at a time, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def seconds_in_system(arrivals_s: Iterable[float], services_s: Iterable[float]) -> list[float]:
    """How long each of these arrivals, in ascending order, waits and is served.

    Exact for given arrivals and times of service: the recursion of Lindley (1952).
    """
    stays, free_s = [], 0.0
    for arrival_s, service_s in zip(arrivals_s, services_s, strict=False):
        free_s = max(free_s, arrival_s) + service_s
        stays.append(free_s - arrival_s)
    return stays


def mean_seconds_in_system(utilisation: float, service_s: float) -> float:
    """The mean of endlessly many random arrivals (M/D/1); utilisation is below 1.

    The waiting time of Pollaczek and Khinchine for a constant service time, and the service.
    """
    return service_s * (1 + utilisation / (2 * (1 - utilisation)))
