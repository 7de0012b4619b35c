"""The sender: one thread that brings the local file's seconds to the engine, in order."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.errors import EngineAwayError, EngineRefusedError, ServescopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.store.promql.engine import Engine
    from servescope.store.promql.outbox import Outbox, Parcel, Progress

logger = logging.getLogger(__name__)

PARCEL_S: Final = 60
"""Most seconds in one request: about 30,000 samples of 500 series, 0.5 MB on the wire."""

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
"""Pauses double from the first to the longest while the engine is away, each cut by up to a half at
random, so that many hosts do not come back at the same moment."""

SURE_S: Final = 10.0
"""VictoriaMetrics keeps what it acknowledged in memory for up to 5 s before it is on disk: after
any doubt, what was sent within so long is sent again. It counts once (see `names.over_time`)."""

FUTURE_S: Final = 60
TELL_EVERY_S: Final = 60.0
_IDLE_S: Final = 1.0
_JOIN_S: Final = 12.0  # above the engine's own deadline


class Sender:
    """Sends what the outbox holds, whenever it is woken.

    `has(ts)` tells whether the engine has a second: it refuses one that an earlier try brought.
    `on_sent(parcel)` is told of each parcel. Only the process that writes the local file may run
    a sender.
    """

    def __init__(
        self,
        outbox: Outbox,
        engine: Engine,
        has: Callable[[int], bool],
        on_sent: Callable[[Parcel], None],
    ) -> None:
        self._outbox = outbox
        self._engine = engine
        self._has = has
        self._on_sent = on_sent
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._caught_up = threading.Condition()
        self._sent_until: int | None = None
        self._thread: threading.Thread | None = None
        self._recent: deque[tuple[float, int]] = deque()  # when which second was sent
        self._in_doubt = True  # what a former sender sent last may be lost
        self._unmarked = False  # the mark of this hour was not sent, or not taken
        self._told_at = float("-inf")
        self._random = random.SystemRandom()

    def wake(self) -> None:
        """There is something to send; the first call starts the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
            self._thread.start()
        self._wake.set()

    def wait_sent(self, ts: int, seconds: float) -> bool:
        """Wait until the second `ts` is sent, or given up, for at most `seconds`."""
        with self._caught_up:
            return self._caught_up.wait_for(
                lambda: self._sent_until is not None and self._sent_until >= ts, seconds
            )

    def stop(self) -> None:
        """End the thread; what it has not sent waits in the file."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._wake.wait(_IDLE_S)
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._send_some():
                    pause = FIRST_PAUSE_S
            except EngineAwayError as error:
                self._in_doubt = True
                self._recent.clear()
                self._engine.forget()
                self._note(str(error))
                self._stopping.wait(pause * self._random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_S)
                self._wake.set()
            except ServescopeError as error:  # the local file: the next round tries again
                logger.warning("the sender cannot read what it has to send: %s", error)
                self._stopping.wait(_IDLE_S)
            except Exception:
                # The boundary of the sender's loop: a defect must not end the sending.
                logger.exception("the sender failed in this round")
                self._stopping.wait(_IDLE_S)

    def _send_some(self) -> bool:
        """Send the next parcel; False when nothing is left to send."""
        progress, bounds = self._outbox.progress(), self._outbox.bounds()
        if bounds is None:
            return False
        # What a clock that ran ahead has written is not sent, and does not hold up the rest.
        latest = int(time.time()) + FUTURE_S
        oldest, newest = bounds[0], min(bounds[1], latest)
        after = oldest - 1 if progress.sent_until is None else min(progress.sent_until, latest)
        if after >= newest:
            self._arrived(after)
            return False
        if self._in_doubt and progress.sent_until is not None and self._engine.traits().metrics_ql:
            after = oldest - 1 if progress.sure_until is None else min(after, progress.sure_until)
        if after < oldest - 1:
            missed = oldest - 1 - max(after, progress.sent_until or after)
            progress = replace(progress, skipped=progress.skipped + max(missed, 0))
            after = oldest - 1
        until = min(after + PARCEL_S, newest)
        parcel = self._outbox.parcel(after, until, begin=self._in_doubt or self._unmarked)
        refused = 0 if parcel is None else self._deliver(parcel)
        progress = replace(progress, refused=progress.refused + refused)
        self._unmarked = parcel is None or refused > 0
        self._in_doubt = False
        if progress.trouble:
            logger.info("the engine takes data again")
        sure = self._sure(until) or progress.sure_until
        self._outbox.keep(replace(progress, sent_until=until, sure_until=sure, trouble=""))
        if parcel is not None:
            self._on_sent(parcel)
        self._arrived(until)
        return until < newest

    def _sure(self, until: int) -> int | None:
        """Note that `until` is sent now; the newest second sent `SURE_S` ago, if it is known."""
        now, sure = time.monotonic(), None
        self._recent.append((now, until))
        while self._recent[0][0] < now - SURE_S:
            _, sure = self._recent.popleft()
        return sure

    def _deliver(self, parcel: Parcel) -> int:
        """Send the parcel; where the engine refuses it, its halves. Returns the seconds refused."""
        try:
            self._engine.write(parcel.packed())
        except EngineRefusedError as error:
            if len(parcel.times) == 1:
                if self._has(parcel.times[0]):
                    return 0
                now = time.monotonic()
                if now - self._told_at >= TELL_EVERY_S:
                    self._told_at = now
                    logger.warning(
                        "a second is dropped on its way to the engine, the local file keeps it: %s",
                        error,
                    )
                return 1
            return sum(self._deliver(half) for half in parcel.split())
        return 0

    def _note(self, trouble: str) -> None:
        try:
            progress: Progress = self._outbox.progress()
            if progress.trouble != trouble:
                logger.warning("nothing is sent, the local file keeps it: %s", trouble)
                self._outbox.keep(replace(progress, trouble=trouble))
        except ServescopeError as error:
            logger.warning("the sender cannot keep its state: %s", error)

    def _arrived(self, ts: int) -> None:
        with self._caught_up:
            self._sent_until = ts
            self._caught_up.notify_all()
