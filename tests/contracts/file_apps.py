"""A WSGI app that sends a file by `wsgi.file_wrapper`, and what watches how the server does it."""

from __future__ import annotations

import select
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servescope.serving.connection import Connection
from tests.serving.descriptor_ledger import DescriptorLedger

if TYPE_CHECKING:
    from collections.abc import Callable

Environ = dict[str, Any]


def hold_files(
    set_attribute: Callable[[Any, str, Any], None] = setattr,
    entered: Callable[[], object] = lambda: None,
) -> None:
    """From now on no file begins to be sent before its client has hung up."""
    send_file = Connection.send_file

    def held(connection: Connection, *arguments: Any) -> None:
        hung_up = select.poll()
        hung_up.register(connection.descriptor, 0)  # POLLHUP and POLLERR come without being asked
        entered()
        assert hung_up.poll(20_000)
        send_file(connection, *arguments)

    set_attribute(Connection, "send_file", held)


def app(environ: Environ, start_response: Any) -> Any:
    """The file that the query names."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](Path(environ["QUERY_STRING"]).open("rb"))


@cache
def _watched() -> DescriptorLedger:
    hold_files()
    return DescriptorLedger()


def watched_app(environ: Environ, start_response: Any) -> Any:
    """The same in a process of its own, where files are held; `/ledger` tells of close(2)."""
    ledger = _watched()
    if environ["PATH_INFO"] == "/ledger":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"closed twice: %d" % len(ledger.faults)]
    folder = Path(environ["QUERY_STRING"]).parent
    (folder / "entered").touch()
    return app(environ, start_response)
