"""Requests that are all sent at one moment to a listener of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servescope.load.simultaneous import answered_ms

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener


@dataclass(frozen=True, slots=True)
class SimultaneousRequests:
    """`requests` GETs of `target`, each on a connection of its own, all sent at one moment.

    Measured are `answered_ms`: how long after that moment each whole response was there, in order
    of their arrival.
    """

    listener: TemporaryListener
    target: str  # origin-form
    requests: int

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send them; one before, since an app's first request is no part of the experiment."""
        with host.listener(self.listener) as process:
            answered_ms(process.address, self.target, 1, host.left_s())
            with host.span():
                found = answered_ms(process.address, self.target, self.requests, host.left_s())
        return {"answered_ms": found}
