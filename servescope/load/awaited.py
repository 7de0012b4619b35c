"""A lower bound of a percentile while many requests of a run are still awaited.

A request takes at least as long as it has been awaited. Take the N requests that were taken up
since the first of those that have not ended. The percentile q of the times in which these N end is
the one at rank ceil(q N), so N - ceil(q N) + 1 of them take as long as that or longer. Where so
many have been awaited for t already, the percentile is at least t, however soon all the others
ended. It is a true lower bound without the times of any other, and one request that hangs among
thousands that are quick proves nothing.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servescope.load.exchange import Exchange


class Awaited(NamedTuple):
    """Requests that have not ended; times are `time.monotonic_ns()`.

    `taken_up` is how many were taken up since the first of them. `p99_due_ns`: when the one was due
    that their p99 takes at least as long as; None where too few are awaited to prove one.
    """

    oldest_due_ns: int
    taken_up: int
    p99_due_ns: int | None


def longest(requests: int, q: float) -> int:
    """How many of so many requests take at least as long as their percentile q."""
    return requests - max(math.ceil(q * requests - 1e-9), 1) + 1


def proven_due_ns(due_ns: Sequence[int], requests: int, q: float) -> int | None:
    """When the request was due that the percentile q of `requests` takes at least as long as.

    `due_ns` are the due moments of those of them that have not ended, in any order, those due
    later than `longest` of them left out or not. None where these prove nothing.
    """
    rank = longest(requests, q)
    return sorted(due_ns)[rank - 1] if rank <= len(due_ns) else None


def awaited_requests(
    in_flight: Sequence[Exchange], waiting: Iterable[Exchange], taken_up: int
) -> Awaited | None:
    """Those on a connection, and those `waiting` for one in the order in which they were taken up.

    `taken_up` is the number of the newest request. Of those that wait only the first are looked at.
    """
    waiting = iter(waiting)
    found = [*in_flight, *islice(waiting, 1)]
    if not found:
        return None
    requests = taken_up - min(one.number for one in found) + 1
    found += islice(waiting, longest(requests, 0.99))
    due_ns = [one.intended_ns for one in found]
    return Awaited(min(due_ns), requests, proven_due_ns(due_ns, requests, 0.99))
