"""The bounds of a load run, and its targets: our own listeners only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from servescope.addresses import reachable
from servescope.errors import LoadRefusedError
from servescope.load.tls_connections import Trust
from servescope.records.listeners import UNIX, ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadPlan

MAX_REQUESTS: Final = 3_000_000
"""Most requests of one run: the generator keeps every latency, 32 bytes a request in all."""

MAX_CONNECTIONS: Final = 4_096
MAX_TIMEOUT_SECONDS: Final = 60.0
MAX_TARGET: Final = 8_190
"""Longest target in bytes; a server should take at least 8,000 (RFC 9112 section 3)."""

_PCHAR: Final = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2}"
ORIGIN_FORM: Final = re.compile(rf"/(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?")
"""origin-form = absolute-path [ "?" query ] (RFC 9112 section 3.2.1, RFC 3986 section 3)."""


def check(
    plan: LoadPlan, statuses: Sequence[ListenerStatus], max_rate: float, max_seconds: float
) -> LoadPlan:
    """Return the plan when it may run.

    `statuses` are the listeners hosted here; `max_rate` in requests per second. Raises
    LoadRefusedError with a sentence that names what is wrong and what is allowed.
    """
    _check_listener(plan.listener, statuses)
    return check_shape(plan, max_rate, max_seconds)


def check_shape(plan: LoadPlan, max_rate: float, max_seconds: float) -> LoadPlan:
    """The same, whatever the plan aims at."""
    _check_target(plan.target)
    scenario, rate = plan.scenario, plan.rate
    if rate is None:
        raise LoadRefusedError("the closed model cannot be run yet")
    _check_range("the rate", rate, max_rate, "requests per second")
    _check_range("the duration", plan.seconds, max_seconds, "seconds")
    _check_range("the timeout", scenario.timeout_seconds, MAX_TIMEOUT_SECONDS, "seconds")
    if not 1 <= scenario.max_connections <= MAX_CONNECTIONS:
        raise LoadRefusedError(
            f"the number of connections is between 1 and {MAX_CONNECTIONS:,}, "
            f"not {scenario.max_connections:,}"
        )
    if rate * plan.seconds > MAX_REQUESTS:
        raise LoadRefusedError(
            f"{rate:,.10g} requests per second for {plan.seconds:,.10g} seconds are "
            f"{rate * plan.seconds:,.0f} requests; one run has at most {MAX_REQUESTS:,}"
        )
    return plan


def destination(status: ListenerStatus) -> tuple[str, int]:
    """Address and port to connect to; a listener on every address is reached over loopback."""
    return reachable(status.address), status.port


def trust(status: ListenerStatus) -> Trust | None:
    """By what certificate the listener is known; None for one without TLS."""
    return Trust.in_certificate(status.certificate) if status.certificate else None


def _check_listener(name: str, statuses: Sequence[ListenerStatus]) -> None:
    by_name = {status.name: status for status in statuses}
    if name not in by_name:
        known = ", ".join(sorted(by_name)) or "none"
        raise LoadRefusedError(f"there is no listener {name!r} here; known are: {known}")
    status = by_name[name]
    is_unix = status.address.startswith(UNIX)
    if status.state is not ListenerState.RUNNING or not (status.port or is_unix):
        raise LoadRefusedError(
            f"the listener {name!r} is {status.state}, not running; start it first"
        )
    if is_unix:
        raise LoadRefusedError(
            f"the listener {name!r} listens at a unix socket, and the load generator speaks HTTP "
            "over TCP only; choose another listener"
        )
    if status.is_tls and status.certificate is None:
        raise LoadRefusedError(
            f"the listener {name!r} is behind TLS and does not tell its certificate; restart it"
        )


def _check_target(target: str) -> None:
    if not target.startswith("/"):
        raise LoadRefusedError(
            f"the target {target[:80]!r} does not start with '/': write path and query only"
        )
    if len(target) > MAX_TARGET:
        raise LoadRefusedError(
            f"the target has {len(target):,} characters; it may have at most {MAX_TARGET:,}"
        )
    match = ORIGIN_FORM.match(target)
    accepted = match.end() if match else 0
    if accepted != len(target):
        raise LoadRefusedError(
            f"the target may not hold {target[accepted]!r} (at position {accepted + 1}); "
            "percent-encode it (RFC 3986)"
        )


def _check_range(what: str, value: float, most: float, unit: str) -> None:
    if not 0 < value <= most:  # NaN fails as well
        raise LoadRefusedError(
            f"{what} is above 0 and at most {most:,.10g} {unit}, not {value:,.10g}"
        )
