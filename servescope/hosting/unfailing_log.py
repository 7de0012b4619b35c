"""The log of the threads that serve: no line of it ever raises.

A hosted app shares the process, and so its logging: it may add a handler or a filter that raises,
or close the stream that a handler writes to. The code that logs a failure of an app, often in an
`except` clause of the loop that keeps a listener alive, must not fail by that.
"""

from __future__ import annotations

import logging
import os
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

_STDERR = 2  # the descriptor: `sys.stderr` may be what was closed


class UnfailingLogger(_Adapter):
    """A logger whose lines go to standard error when logging itself raises, or else nowhere."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name))

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log as logging.Logger does; all other methods come here."""
        try:
            # One level up: the caller is who called the method that came here.
            super().log(level, msg, *args, stacklevel=2, **kwargs)
        except BaseException as error:  # noqa: BLE001 - handlers and filters are the app's code
            with suppress(BaseException):
                os.write(_STDERR, _text(msg, args, kwargs.get("exc_info"), error).encode())


def _text(msg: object, args: tuple[object, ...], failed: object, error: BaseException) -> str:
    line = str(msg) % args if args else str(msg)
    # Of an exception at hand (`exc_info=True`) the chain of `error` is shown.
    told = traceback.format_exception(failed if isinstance(failed, BaseException) else error)
    return f"{line} (and logging raised {type(error).__name__})\n{''.join(told)}"
