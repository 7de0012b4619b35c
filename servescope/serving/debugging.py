"""Werkzeug's debugger around a hosted WSGI app: a traceback in the browser, with a console.

A person who knows its PIN runs any code as this user. So it is off unless asked for, and refused
where others could reach it (a listener that binds beyond loopback) or where it could not work (the
frames of a traceback live in one process, and the model prefork has several).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from servescope.errors import ListenerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.records.listeners import ListenerSpec

_log = logging.getLogger(__name__)


def debugged(app: Callable[..., Any], spec: ListenerSpec) -> Callable[..., Any]:
    """The app with the debugger around it; its PIN goes to the log and nowhere else.

    Raises ListenerError where the debugger has no place.
    """
    # Only who asks for it pays for the imports: a worker process starts a quarter sooner without.
    from servescope.settings import debugger_objection

    objection = debugger_objection(spec.address, spec.model)
    if objection:
        raise ListenerError(f"the debugger {objection}")
    from werkzeug.debug import DebuggedApplication

    config = getattr(app, "config", None)
    if isinstance(config, dict):  # Flask and its kin: else they answer 500 and keep the exception
        config["PROPAGATE_EXCEPTIONS"] = True
    debugger = DebuggedApplication(app, evalex=True)
    _log.warning("listener %s: debugger is on, PIN %s", spec.name, debugger.pin or "disabled")
    return debugger
