"""The exceptions that an app may raise: every kind that Python has, not only Exception."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class UnspeakableError(Exception):
    """One whose text cannot be had."""

    def __str__(self) -> str:
        raise SystemExit("a text that raises")

    __repr__ = __str__


FAULTS: dict[str, type[BaseException]] = {
    "Exception": ZeroDivisionError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "BaseException": BaseException,
    "UnspeakableError": UnspeakableError,
}


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The logged messages about failed apps."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and "failed on" in record.getMessage()
    ]
