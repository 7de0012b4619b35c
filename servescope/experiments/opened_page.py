"""A page opened as a browser does it: the page itself, then each file that it is made of."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import request_bytes
from servescope.sentences import counted

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

TIMEOUT_S: Final = 10.0
MOST_FILES: Final = 30
MOST_REDIRECTS: Final = 3
_READ_BYTES: Final = 65_536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ATTRIBUTES: Final = {"script": "src", "img": "src", "source": "src", "video": "src"}


class _Parts(HTMLParser):
    """The addresses of the files that an HTML page is made of: styles, scripts, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        relation = (given.get("rel") or "").split()
        if tag == "link" and ("stylesheet" in relation or "icon" in relation):
            self._add(given.get("href"))
        elif tag in _ATTRIBUTES:
            self._add(given.get(_ATTRIBUTES[tag]))

    def _add(self, address: str | None) -> None:
        if address:
            self.found.append(address)


@dataclass(slots=True)
class _Answer:
    """Every byte of one response, and how it reads."""

    raw: bytes
    status_line: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    def __post_init__(self) -> None:
        head, _, self.content = self.raw.partition(b"\r\n\r\n")
        self.status_line, *lines = head.decode("latin-1").split("\r\n")
        for line in lines:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()

    @property
    def status(self) -> int:
        parts = self.status_line.split(" ")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """GET `target`, follow its redirects, then GET each file of the same server that it names.

    One request a connection. Measured are `files`, of each request the target, status and bytes of
    content, and `sent` and `received` bytes of all; the steps have every byte of the first one.
    """

    listener: TemporaryListener
    target: str

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Open it. Raises LoadRefusedError when a connection fails."""
        with host.listener(self.listener) as process, host.span():
            browser = _Browser(process.address)
            try:
                browser.open(self.target)
            except OSError as error:
                why = error.strerror or error
                raise LoadRefusedError(f"the page could not be opened: {why}") from error
        return {
            "files": browser.files,
            "sent": browser.sent,
            "received": browser.received,
            "steps": browser.told.steps,
        }


def _named(files: int) -> str:
    """How many files a page names, in words."""
    return f"reads the page: it names {counted(files, 'file') if files else 'no file'} to ask for"


class _Browser:
    """A browser as far as its requests go: it renders nothing, and runs no script."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.told = Transcript()
        self.files: list[dict[str, Any]] = []
        self.sent = self.received = 0
        self._address = address
        self._origin = "http://{}:{}".format(*address)

    def open(self, target: str) -> None:
        answer = self._get(target)
        for _ in range(MOST_REDIRECTS):
            if answer.status not in _REDIRECTS:
                break
            target = self._target(target, answer.fields.get("location", "")) or target
            self.told.add("client", f"is told to ask for {target} instead")
            answer = self._get(target)
        if not answer.fields.get("content-type", "").startswith("text/html"):
            return
        parts = _Parts()
        parts.feed(answer.content.decode("utf-8", "replace"))
        named = [self._target(target, one) for one in parts.found]
        wanted = [one for one in dict.fromkeys(named) if one is not None]
        self.told.add("client", _named(len(wanted)))
        for one in wanted[:MOST_FILES]:
            self._get(one)

    def _target(self, base: str, reference: str) -> str | None:
        """Path and query of a reference; None where it leads to another server."""
        found = urlsplit(urljoin(self._origin + base, reference))
        if f"{found.scheme}://{found.netloc}" != self._origin:
            return None
        return f"{found.path or '/'}{'?' + found.query if found.query else ''}"

    def _get(self, target: str) -> _Answer:
        host, port = self._address
        is_first = not self.files
        request = request_bytes(self._address, target, {"Accept": "text/html, */*"})
        received = bytearray()
        if is_first:
            self.told.add("client", f"connect: asks for a connection to {host}, port {port}")
        with socket.create_connection(self._address, TIMEOUT_S) as client:
            if is_first:
                self.told.add("client", "is connected")
            client.sendall(request)
            if is_first:
                self.told.add("client", f"send: {counted(len(request), 'byte')}", request)
            while block := client.recv(_READ_BYTES):
                received += block
                if is_first:
                    self.told.add("server", f"sends {counted(len(block), 'byte')}", block)
        if is_first:
            self.told.add("server", "close: ends the connection; the client ends it, too")
        self.sent += len(request)
        self.received += len(received)
        answer = _Answer(bytes(received))
        size = len(answer.content)
        self.files.append({"target": target, "status": answer.status, "content": size})
        if not is_first:
            status = answer.status_line.partition(" ")[2]
            self.told.add("client", f"GET {target}: {status}, {counted(size, 'byte')} of content")
        return answer
