"""A ledger of descriptors Python code opens and closes by number: double closes, and leaks."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class DescriptorLedger:
    """Stands before `os.open`, `os.dup` and `os.close` once `set_attribute` has put it there.

    `faults` are closes of a number that was closed already. Such a close fails only if nobody was
    given the number in between, so the ledger does not rely on that: it books numbers.
    """

    def __init__(self, set_attribute: Callable[[Any, str, Any], None] = setattr) -> None:
        self._lock = threading.Lock()
        self._closed: set[int] = set()
        self._open: dict[int, str] = {}
        self.faults: list[int] = []
        self._real_close = os.close
        set_attribute(os, "open", self._opening(os.open))
        set_attribute(os, "dup", self._opening(os.dup))
        set_attribute(os, "close", self._close)

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def opening(what: Any, *arguments: Any, **named: Any) -> int:
            with self._lock:
                descriptor = real(what, *arguments, **named)
                self._closed.discard(descriptor)
                self._open[descriptor] = str(what)
                return descriptor

        return opening

    def _close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._closed:
                self.faults.append(descriptor)
                return
            if self._open.pop(descriptor, None) is not None:
                self._closed.add(descriptor)
            self._real_close(descriptor)

    def open_below(self, folder: str) -> list[str]:
        """The files of this folder that are open still."""
        with self._lock:
            return [path for path in self._open.values() if path.startswith(folder)]
