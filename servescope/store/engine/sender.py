"""The sender: one thread that brings the local file's seconds to the engine, in order.

Whenever these are sent, rows of coarser tiers follow, each once it is over.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.errors import EngineAwayError, EngineRefusedError, ServescopeError
from servescope.store.engine.outbox import RowsSent
from servescope.store.tiers import FINE, TIERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.store.engine.client import Engine
    from servescope.store.engine.outbox import Outbox, Parcel, Progress

logger = logging.getLogger(__name__)

COARSE: Final = TIERS[1:]
PARCEL_S: Final = 60
"""Most seconds in one request: about 30,000 samples of 500 series, 0.5 MB on the wire."""

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
"""Pauses double from the first to the longest while the engine is away, each cut by up to a half at
random, so that many hosts do not come back at the same moment."""

SURE_S: Final = 10.0
"""VictoriaMetrics keeps what it acknowledged in memory for up to 5 s before it is on disk: after
any doubt, everything sent within so long is sent again. It counts once (see `names.over_time`)."""

PARCEL_ROWS: Final = 60
"""Most rows of a coarser tier in one request."""

SETTLED_S: Final = 3
"""Seconds after the end of a row before it is sent: records a dead leader left come late."""

FUTURE_S: Final = 60
WARN_EVERY_S: Final = 60.0
_IDLE_S: Final = 1.0
_JOIN_S: Final = 12.0  # above the engine's own deadline


class _Recently:
    """The times of the newest sends: older ones are on the engine's disk by now."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque()

    def sure(self, until: int) -> int | None:
        """Note that `until` is sent now; the newest sent `SURE_S` ago, if it is known."""
        now, sure = time.monotonic(), None
        self._sent.append((now, until))
        while self._sent[0][0] < now - SURE_S:
            _, sure = self._sent.popleft()
        return sure


class Sender:
    """Sends the content of the outbox, whenever it is woken.

    `has(tier, ts)`: whether the engine has a row: it refuses one that an earlier try brought.
    `on_sent(parcel)` is called after each parcel. Only the process that writes the local file may
    run a sender.
    """

    def __init__(
        self,
        outbox: Outbox,
        engine: Engine,
        has: Callable[[int, int], bool],
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
        self._recent = {tier: _Recently() for tier in TIERS}
        self._doubted = set(TIERS)  # what a former sender sent of them last may be lost
        self._unmarked = False  # the mark of this hour was not sent, or not taken
        self._announced_until: dict[int, int] = {}  # by tier, before a doubt: rows up to then
        self._news = True  # rows were sent that were not announced to the engine
        self._warned_at = float("-inf")
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
        """End the thread; unsent data waits in the file."""
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
                self._doubted = set(TIERS)
                self._recent = {tier: _Recently() for tier in TIERS}
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
        # Frames that a clock running ahead has written are not sent, and do not hold up the rest.
        latest = int(time.time()) + FUTURE_S
        oldest, newest = bounds[0], min(bounds[1], latest)
        after = oldest - 1 if progress.sent_until is None else min(progress.sent_until, latest)
        # First the rows that were announced: until then long spans would lack them.
        if self._may_lack_rows(progress) and self._send_rows(progress, oldest, min(after, newest)):
            return True
        if after >= newest:
            self._arrived(after)
            return self._send_rows(progress, oldest, after)
        if self._starts_over(FINE) and progress.sent_until is not None:
            after = oldest - 1 if progress.sure_until is None else min(after, progress.sure_until)
        after = max(after, oldest - 1)
        missed = 0 if progress.sent_until is None else max(oldest - 1 - progress.sent_until, 0)
        until = min(after + PARCEL_S, newest)
        begin = FINE in self._doubted or self._unmarked
        parcel = self._outbox.parcel(
            after, until, begin=begin, rows=progress.rows, news=self._news or begin
        )
        refused = 0 if parcel is None else self._deliver(parcel)
        progress = replace(
            progress,
            refused=progress.refused + refused,
            skipped=progress.skipped + missed,
            rows={tier: _rows_of(tier, progress, oldest) for tier in COARSE},
        )
        self._unmarked = parcel is None or refused > 0
        self._news &= self._unmarked
        self._doubted.discard(FINE)
        if progress.trouble:
            logger.info("the engine takes data again")
        sure = self._recent[FINE].sure(until) or progress.sure_until
        progress = replace(progress, sent_until=until, sure_until=sure, trouble="")
        self._outbox.keep(progress)
        if parcel is not None:
            self._on_sent(parcel)
        self._arrived(until)
        return until < newest or self._send_rows(progress, oldest, until)

    def _send_rows(self, progress: Progress, oldest: int, newest: int) -> bool:
        """Send the next rows of a coarser tier that are over; False when none is left.

        `newest`: the last second that was sent; `oldest`: the first one the file has.
        """
        for tier in COARSE:
            sent = _rows_of(tier, progress, oldest)
            start = sent.until
            if self._starts_over(tier):
                start, self._announced_until[tier] = sent.sure, sent.until
            until = min(start + PARCEL_ROWS * tier, (newest + 1 - SETTLED_S) // tier * tier)
            if until <= start:
                continue
            parcel = self._outbox.rows(tier, start, until)
            refused = 0 if parcel is None else self._deliver(parcel, tier)
            self._doubted.discard(tier)
            self._news = True
            sure = self._recent[tier].sure(until) or sent.sure
            # Rows that were refused leave a hole: it is asked for by the second.
            now = RowsSent(until, until, until) if refused else RowsSent(sent.since, until, sure)
            self._outbox.keep(replace(progress, rows={**progress.rows, tier: now}))
            return True
        return False

    def _may_lack_rows(self, progress: Progress) -> bool:
        """Whether announced rows may be lost."""
        return any(
            self._starts_over(tier) or sent.until < self._announced_until.get(tier, 0)
            for tier, sent in progress.rows.items()
        )

    def _starts_over(self, tier: int) -> bool:
        """Whether the newest rows sent may be lost, and may be sent anew."""
        return tier in self._doubted and self._engine.traits().metrics_ql

    def _deliver(self, parcel: Parcel, tier: int = FINE) -> int:
        """Send the parcel; where the engine refuses it, its halves. Returns the rows refused."""
        try:
            self._engine.write(parcel.packed())
        except EngineRefusedError as error:
            if len(parcel.times) == 1:
                if self._has(tier, parcel.times[0]):
                    return 0
                now = time.monotonic()
                if now - self._warned_at >= WARN_EVERY_S:
                    self._warned_at = now
                    logger.warning(
                        "%d s are dropped on the way to the engine, the local file keeps them: %s",
                        tier,
                        error,
                    )
                return 1
            return sum(self._deliver(half, tier) for half in parcel.split())
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


def _rows_of(tier: int, progress: Progress, oldest: int) -> RowsSent:
    """The rows that were sent; the first to send is the first whole one.

    Of the one the oldest second is in, a former disk may have sent the rest.
    """
    began = -(-oldest // tier) * tier
    return progress.rows.get(tier) or RowsSent(began, began, began)
