"""When a run measured its load generator and not the server: the limits, for whoever judges a run.

A latency counts from the moment a request was due, so the generator's own delay is in it. That
delay is at most the lag by which the generator took requests up. It is also at most what the
latency has beyond the naive one, which counts from the actual send: a wait for a connection is in
that difference too, and there the server has kept the connections.

A judgement rests on a length of time: on a latency, on the limit of a latency, on a schedule. It is
withheld where the generator's own delay is too large a share of that time:

| judged | share | reason |
| --- | --- | --- |
| a latency, or its limit | 10 % | with it in both, two servers that differ by 10 % differ by 9 % |
| a rate against a schedule | 5 % | no answer comes before its request is sent; 95 % is kept up |

Of a judged quantile the lag is that of the same quantile, else that of 1 in 100 requests: p99.

A generator without a free connection is late as well, though the lag does not show that:
`ConnectionUse`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

OF_LATENCY: Final = 0.1
OF_SCHEDULE: Final = 0.05

BUSY_CORE: Final = 0.8
FULL_CORE: Final = 0.9
"""Share of its core from which on a generator is busy, and from which on it is at its limit: sends
come late for lack of CPU before the core is wholly used."""


def own_delay(lag: float | None, latency: float | None, naive: float | None) -> float:
    """How much of a latency may be the generator's own delay; 0 where that is not known.

    All in one unit of time. `naive` is the latency from the actual send; without both latencies the
    delay is the lag.
    """
    if lag is None:
        return 0.0
    if latency is None or naive is None:
        return lag
    return max(min(lag, latency - naive), 0.0)


def is_latency_delayed(
    lag: float | None, latency: float | None, naive: float | None, limit: float | None = None
) -> bool:
    """Whether a latency says too little of the server; `limit` is what it is held against, if any.

    All in one unit of time.
    """
    judged = latency if limit is None else limit
    return judged is not None and own_delay(lag, latency, naive) > OF_LATENCY * judged


def is_behind_schedule(lag_s: float | None, schedule_s: float) -> bool:
    """Whether the generator was so late that it alone makes a server seem to fall behind."""
    return lag_s is not None and schedule_s > 0 and lag_s >= OF_SCHEDULE * schedule_s


@dataclass(frozen=True, slots=True)
class ConnectionUse:
    """How a run used its connections: requests sent, and those that waited for a free one.

    `limit` is how many connections it might have, None of a result that does not say;
    `naive_p50_s` the median latency from the actual send.
    """

    sent: int
    blocked: int
    limit: int | None
    naive_p50_s: float | None

    def were_too_few(self, peak_rate: float, in_time_s: float, share: float) -> bool:
        """Whether a server that answers within `in_time_s` was sent less than was asked for.

        True where more than `share` of the requests waited, though the server answered most within
        that time, and more connections than there were are needed at `peak_rate` to leave it that
        time. By Little's law m = rate x time requests are under way then in the mean, and where
        arrivals are independent their number is Poisson's: seldom above m + 3 sqrt(m). A generator
        with so many proves by its waiting requests that the server took longer.
        """
        if self.naive_p50_s is None or self.blocked <= share * self.sent:
            return False
        under_way = peak_rate * in_time_s
        is_short = self.limit is None or self.limit < under_way + 3 * math.sqrt(under_way)
        return is_short and self.naive_p50_s < in_time_s
