"""A listener that no ring records: the dashboard's own, which must not count itself.

The pages show what the hosted listeners do. A dashboard that recorded its own polls would draw
itself into every graph, and load itself the more the more people look.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.forked_child import disown_in_children, no_fork
from servescope.hosting.site import Site
from servescope.hosting.wsgi import WsgiHost
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving.access import AccessList
from servescope.serving.listener import RunningListener
from servescope.serving.model import Assignment
from servescope.serving.models import model_class
from servescope.sockets.binding import address_of

if TYPE_CHECKING:
    import socket

    from servescope.hosting.exchange import Exchange
    from servescope.hosting.wsgi import WsgiCallable

_NO_RINGS: Final = Path()
"""Only the model `prefork`, whose processes record by themselves, looks for the folder."""


def start_private_listener(
    name: str, app: WsgiCallable, listening: socket.socket, options: ListenerOptions
) -> RunningListener:
    """Serve a WSGI app at a socket that listens, on a pool of `options.threads` daemon threads.

    Closing the socket is the listener's matter from here on: `stop` does it.
    """
    address, port = address_of(listening)
    spec = ListenerSpec(
        name, address, port, ConcurrencyModel.THREAD_POOL, AppKind.WSGI, name, options=options
    )
    application = WsgiHost(app, multithread=True, multiprocess=False)
    assignment = Assignment(
        spec=spec,
        rings=_NO_RINGS,
        site=Site(name, application, options, address, port),
        listening=listening,
        options=options,
        access=AccessList(options.deny, options.allow),
        record=_leave_unrecorded,
    )
    with no_fork():
        model = model_class(spec.model)(assignment)
        disown_in_children(model)
    model.start()
    return RunningListener(assignment, model, (address, port), None, None, None)


def _leave_unrecorded(exchange: Exchange) -> None:
    exchange.is_recorded = True
