"""Which stages of a request are not measured: their zeros are no durations.

A recorder within another server is called by that server: it knows nothing of the time before, but
where the server shows its socket, nor always of the time after. On some systems the kernel does not
tell when bytes came. A record has a zero in such a stage, as in one that took no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from servescope import catalog
from servescope.queries.span import Span
from servescope.queries.traffic import LISTENER, server_kinds
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.queries.context import QueryContext

MAYBE_UNMEASURED: Final[Mapping[ServerKind, frozenset[str]]] = {
    ServerKind.LISTENER: frozenset(("kernel",)),
    ServerKind.APP: frozenset(("kernel", "read", "queue", "write")),
}
"""By the kind of the server the stages of which its recorder may know nothing."""

_LEAST_S: Final = 3_600
"""Seconds that are looked at: a wait shorter than a tick of the kernel's clock is a zero, too."""

_STEP_S: Final = 60
_ANEW_S: Final = 10


class IsMeasured(Protocol):
    """Whether the seconds `sum_s` that requests to a server spent in a stage were measured.

    Without a `kind` the store says which kind of server it is.
    """

    def __call__(
        self, server: str, stage: str, sum_s: float, kind: ServerKind | None = None
    ) -> bool: ...


def measured_stages(context: QueryContext, span: Span) -> IsMeasured:
    """Return a function that tells whether the recorder of a server measured a stage.

    A stage of which the recorder may know nothing is measured where any request to the server spent
    time in it, in the span or in the hour before its end.
    """
    end = -(-span.end // _STEP_S) * _STEP_S
    start = min(span.start, span.end - _LEAST_S) // _STEP_S * _STEP_S
    query = Span(start, end, _STEP_S).query(catalog.STAGE_DURATION, by=(LISTENER, "stage"))

    def ask() -> frozenset[tuple[str, ...]]:
        total = context.store.total(query)
        pairs = zip(total.groups, total.sum_s, strict=True)
        return frozenset(group for group, sum_s in pairs if sum_s > 0)

    def is_measured(server: str, stage: str, sum_s: float, kind: ServerKind | None = None) -> bool:
        if sum_s > 0:
            return True
        kind = kind or server_kinds(context)(server)
        if stage not in MAYBE_UNMEASURED.get(kind, ()):
            return True
        key = ("stages with time", start, end, (context.newest() or 0) // _ANEW_S)
        return (server, stage) in context.snapshots.keep(key, ask)

    return is_measured
