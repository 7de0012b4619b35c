"""Requests one after the other, each on a connection of its own, to one server."""

from __future__ import annotations

import gzip
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.experiments.child_command import running
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.experiments.host import ExperimentHost, TemporaryListener
    from servescope.load.timed_exchange import TimedExchange

ANSWERED_S: Final = 10.0
SHOWN_CHARACTERS: Final = 600
"""Of a content that is text."""

_STARTED_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `if_changed` asks for a newer version than the response before brought."""

    target: str  # origin-form
    fields: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    content: str = ""
    if_changed: bool = False


@dataclass(frozen=True, slots=True)
class RequestsInTurn:
    """The requests `asked`, to a listener.

    `has_gzip_of` is a file of a listener's folder: the listener gets a folder with that file and
    its compressed neighbour alone. With `by_python` Python's own server, `python -m http.server`,
    serves the folder in the listener's place. Measured are `exchanges`, for each request what was
    sent, the head and the number of bytes of content received, and how long it took.
    """

    listener: TemporaryListener
    asked: tuple[Asked, ...]
    has_gzip_of: str = ""
    by_python: bool = False

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send them; no request is sent before the response to the last is whole."""
        done: list[TimedExchange] = []
        with self._serving(host) as address:
            for one in self.asked:
                fields = dict(one.fields) | (_validators(done[-1]) if one.if_changed else {})
                request = request_bytes(
                    address, one.target, fields, method=one.method, content=one.content.encode()
                )
                done.append(exchange(address, request, min(ANSWERED_S, host.left_s())))
        return {"exchanges": [_shown(one) for one in done]}

    @contextmanager
    def _serving(self, host: ExperimentHost) -> Iterator[tuple[str, int]]:
        wanted = self.listener
        if self.has_gzip_of:
            wanted = replace(wanted, app=str(_with_gzip(Path(wanted.app, self.has_gzip_of), host)))
        if not self.by_python:
            with host.listener(wanted) as process, host.span():
                yield process.address
            return
        command = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]
        with running([sys.executable, *command, wanted.app]) as server:
            found = server.await_line(r"port (\d+)", min(_STARTED_S, host.left_s()))
            yield "127.0.0.1", int(found[1])


def _with_gzip(file: Path, host: ExperimentHost) -> Path:
    """A folder with the file, and beside it the file compressed."""
    folder = host.folder / "site"
    folder.mkdir()
    shutil.copy(file, folder)
    (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    return folder


def _validators(response: TimedExchange) -> dict[str, str]:
    """The condition by which a cache asks again (RFC 9110 section 13.1)."""
    pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    return {asks: value for asks, has in pairs if (value := response.field(has))}


def _shown(done: TimedExchange) -> dict[str, Any]:
    is_text = done.field("Content-Type").startswith(("text/", "application/json"))
    coding = done.field("Content-Encoding")
    content = done.content.decode("utf-8", "replace") if is_text and not coding else ""
    return {
        "sent": done.sent.decode("utf-8", "replace"),
        "head": done.head.decode("latin-1"),
        "status": done.status,
        "content_bytes": len(done.content),
        "content": content[:SHOWN_CHARACTERS],
        "received_bytes": len(done.received),
        "took_ms": done.closed_ms,
    }
