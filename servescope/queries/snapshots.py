"""The snapshot cache: fifty viewers with the same question cost as much as one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
SIZE: Final = 256
LASTING_SIZE: Final = 16
FRESH_S: Final = 0.05
"""Seconds that the store's version is trusted; a second's frame may show so much later."""

EXPIRE_S: Final = 10.0
_LASTING: Final = (-1, -1)


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    version: tuple[int, int] | None = None
    answer: Any = None


class Snapshots:
    """Keeps each question's answer until the store's version changes.

    Askers of the same question wait for the one who computes it; of different questions, never.
    An error is handed to the asker and not kept. The version itself is looked at anew after
    `fresh_s` seconds at the latest: one page asks a dozen questions within that. After
    `EXPIRE_S` every answer is computed anew: a store that takes no data has no new version, but
    people must be told why.

    Answers of a former version are dropped at once: a poll's question names the viewer's cursor, so
    it is never asked again, and hundreds of whole figures would stay in memory.
    """

    def __init__(
        self,
        version: Callable[[], int],
        size: int = SIZE,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask_version = version
        self._fresh_s = fresh_s
        self._clock = clock
        self._seen = (-1.0, (0, 0))  # when, by the clock, and which version
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lasting: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer to `key` at the store's present version."""
        return self._answer(self._entries, self._size, key, self._version(), compute)

    def _version(self) -> tuple[int, int]:
        now = self._clock()
        seen_at, version = self._seen
        if now - seen_at > self._fresh_s or seen_at < 0:
            former = version
            version = (self._ask_version(), int(now / EXPIRE_S))
            self._seen = (now, version)  # one assignment: no reader sees halves of two
            if version != former:
                with self._lock:  # a thread that computes one holds its entry, and finishes with it
                    self._entries.clear()
        return version

    def keep(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer to a `key` that names all it depends on, such as the newest frame."""
        return self._answer(self._lasting, LASTING_SIZE, key, _LASTING, compute)

    def _answer(
        self,
        entries: OrderedDict[Hashable, _Entry],
        size: int,
        key: Hashable,
        version: tuple[int, int],
        compute: Callable[[], T],
    ) -> T:
        with self._lock:
            entry = entries.setdefault(key, _Entry())
            entries.move_to_end(key)
            while len(entries) > size:
                entries.popitem(last=False)
        with entry.lock:
            if entry.version != version:
                entry.answer = compute()
                entry.version = version
            answer: T = entry.answer
            return answer
