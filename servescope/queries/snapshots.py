"""The snapshot cache: fifty viewers who ask the same question cost what one costs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
SIZE: Final = 256
_LASTING: Final = -1


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    version: int | None = None
    answer: Any = None


class Snapshots:
    """Keeps each question's answer until the store's version changes.

    Askers of the same question wait for the one who computes it; of different questions, never.
    An error is handed to the asker and not kept.
    """

    def __init__(self, version: Callable[[], int], size: int = SIZE) -> None:
        self._version = version
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer to `key` at the store's present version."""
        return self._at(self._version(), key, compute)

    def keep(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer to a `key` that names all it depends on, such as the newest frame."""
        return self._at(_LASTING, key, compute)

    def _at(self, version: int, key: Hashable, compute: Callable[[], T]) -> T:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.version != version:
                entry.answer = compute()
                entry.version = version
            answer: T = entry.answer
            return answer
