"""Keeping a thread on one core: handing the GIL across cores costs more than most requests."""

from __future__ import annotations

import logging
import os

_log = logging.getLogger(__name__)


def pin_this_thread(core: int | None) -> None:
    """Bind the calling thread to a core (sched_setaffinity(2)); None leaves it free.

    A core this process may not use is left alone, with a warning.
    """
    if core is None:
        return
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        _log.warning("cannot pin a thread to core %d: %s", core, error.strerror)
