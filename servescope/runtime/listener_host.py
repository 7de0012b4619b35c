"""One process's listeners and the store: overrides in, statuses and events out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from servescope.records.dashboard import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servescope.control import Control
    from servescope.records.listeners import ListenerStatus
    from servescope.records.metrics import Sample
    from servescope.runtime.listeners import ListenerReconciler
    from servescope.serving.model import Load


logger = logging.getLogger(__name__)


class ListenerHost:
    """Reconciles the listeners with what people want, and writes what came of it.

    `owner` as in `control.listeners`. A message of a listener that is not as it should be goes into
    the log once, until it is another one. One thread calls the methods, but for `samples`.
    """

    def __init__(self, listeners: ListenerReconciler, control: Control, owner: int) -> None:
        self._listeners = listeners
        self._control = control
        self._owner = owner
        self._written: list[ListenerStatus] | None = None
        self._messages: dict[str, str] = {}

    def reconcile(self, temporary: Sequence[ListenerStatus] = ()) -> None:
        """Reconcile; `temporary` are listeners that others of this process host.

        Called a few times a second. Raises StoreError; the next call writes the rest.
        """
        capture = self._control.captures.active()
        self._listeners.reconcile(
            self._control.listeners.overrides(), None if capture is None else capture.order
        )
        own = self._listeners.statuses()
        # Before the status shows it: a person who has read the status may ask for another change.
        for name, refused, kept in self._listeners.take_refused():
            self._control.listeners.withdraw_overrides(name, refused, kept)
        statuses = [*own, *temporary]
        if statuses != self._written:
            self._control.listeners.write_statuses(statuses, self._owner)
            self._written = statuses
            self._log_messages(own)
        for text in self._listeners.take_changes():
            now = time.time()
            self._control.events.add(Event(EventKind.LISTENER, now, text, end_s=now))

    def samples(self) -> Iterator[Sample]:
        """The listeners' own gauges; asked from any thread."""
        return self._listeners.samples()

    def load(self, name: str) -> Load | None:
        """How busy a listener is now; None where it does not run here. Asked from any thread."""
        return self._listeners.load(name)

    def unfinished(self, name: str) -> int | None:
        """Requests that a listener has taken and not answered; None where it does not run here."""
        load = self._listeners.load(name)
        return None if load is None else load.active_requests

    def stop(self, grace_seconds: float) -> list[ListenerStatus]:
        """Stop every listener gracefully; their last statuses, which the caller writes."""
        self._listeners.stop(grace_seconds)
        return self._listeners.statuses()

    def _log_messages(self, statuses: Sequence[ListenerStatus]) -> None:
        for status in statuses:
            if status.message and status.message != self._messages.get(status.name):
                logger.warning("listener %s is %s: %s", status.name, status.state, status.message)
        self._messages = {status.name: status.message for status in statuses if status.message}
