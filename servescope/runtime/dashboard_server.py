"""The dashboard's own server under `python app.py`: its socket, and the reference server behind it.

The same code as every hosted listener answers the pages, with a bounded number of threads, and no
ring records it (`serving.private_listener`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from servescope.errors import ListenerError, PortNotPermittedError, PortTakenError, SettingsError
from servescope.records.listeners import ListenerOptions
from servescope.run_files.archive import MOST_BYTES
from servescope.sampling.owners import holder_of
from servescope.serving import bind
from servescope.serving.private_listener import start_private_listener
from servescope.sockets.binding import NEXT_PORTS, address_of, next_free_port

if TYPE_CHECKING:
    import socket

    from servescope.hosting.wsgi import WsgiCallable
    from servescope.serving import RunningListener
    from servescope.settings import Settings

THREADS: Final = 8
"""As many as gunicorn.conf.py gives a worker; each has a stack, and memory it holds on to."""

LARGEST_BODY: Final = MOST_BYTES
"""A run file's. A callback's request has some thousands of bytes, and the guard bounds it."""

logger = logging.getLogger(__name__)


def bind_dashboard(settings: Settings) -> socket.socket:
    """A listening socket for the dashboard; a default port that is taken gives way to the next.

    Raises SettingsError when a port that was asked for is taken, when all are, or when the address
    cannot be bound.
    """
    asked_for = "port" in settings.model_fields_set
    backlog = ListenerOptions().backlog
    for port in range(settings.port, settings.port + (1 if asked_for else NEXT_PORTS)):
        try:
            listening = bind(settings.host, port, backlog)
        except PortTakenError:
            continue
        except PortNotPermittedError as error:
            raise SettingsError(f"SERVESCOPE_PORT={port}: {error}") from error
        except ListenerError as error:
            raise SettingsError(f"SERVESCOPE_HOST={settings.host}: {error}") from error
        if port != settings.port:
            logger.warning(
                "port %d is held by %s; the dashboard is on port %d",
                settings.port,
                holder_of(settings.port),
                address_of(listening)[1],
            )
        return listening
    free = next_free_port(settings.host, settings.port)
    suggestion = f"; port {free} is free" if free else ""
    raise SettingsError(
        f"SERVESCOPE_PORT={settings.port}: the port is held by {holder_of(settings.port)}"
        f"{suggestion}"
    )


def start_dashboard_server(app: WsgiCallable, listening: socket.socket) -> RunningListener:
    """Serve the dashboard in daemon threads; the caller stops it."""
    options = ListenerOptions(threads=THREADS, max_body=LARGEST_BODY)
    return start_private_listener("dashboard", app, listening, options)
