"""The sides of a comparison, as a person names them: a URL, or an app in a folder or revision."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from servescope.addresses import host_and_port
from servescope.errors import SettingsError, UsageError
from servescope.hosting.app_import import parse_app_name
from servescope.paths import absolute
from servescope.verdicts.revision import checked_out

if TYPE_CHECKING:
    from pathlib import Path

SIDE: Final = (
    "http://ADDRESS:PORT of a server on this machine, or an app as module:attribute@FOLDER or "
    "module:attribute@REVISION of the git repository here"
)
_OURS: Final = "servescope"


@dataclass(frozen=True, slots=True)
class ServerSide:
    """A server that runs already."""

    address: str  # numeric
    port: int

    @property
    def label(self) -> str:
        return f"http://{host_and_port(self.address, self.port)}"


@dataclass(frozen=True, slots=True)
class AppSide:
    """An app that gets a process of its own; its module is imported from the folder."""

    app: str  # module:attribute, or a call of a factory
    folder: Path  # absolute
    revision: str = ""  # of which the folder has the files, as it was named

    @property
    def label(self) -> str:
        return f"{self.app} {f'at {self.revision}' if self.revision else f'in {self.folder}'}"


NamedSide = ServerSide | AppSide


def side_of(text: str, checkout: Path) -> NamedSide:
    """Read a side; a revision's files are written into the folder `checkout`, which is made.

    Raises UsageError or AppImportError when it is none, or may not be loaded.
    """
    if "://" in text:
        return _server(text)
    app, separator, folder = text.rpartition("@")
    if not separator:
        app, folder = text, "."
    try:
        path = absolute(folder).resolve()
    except SettingsError as error:
        raise UsageError(f"{text}: {error}") from None
    if parse_app_name(app).module.partition(".")[0] == _OURS:
        raise UsageError(f"{app} is Servescope's own, so it would be the same on both sides")
    if path.is_dir():
        return AppSide(app, path)
    at_revision = checked_out(folder, checkout)
    if at_revision is None:
        raise UsageError(f"{text}: there is no folder {path}, and no such revision in git here")
    return AppSide(app, at_revision.resolve(), folder)


def _server(text: str) -> ServerSide:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise UsageError(f"{text} is no URL: {error}") from None
    if url.scheme != "http" or not host:
        raise UsageError(f"{text}: a running server is named as http://ADDRESS:PORT")
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        raise UsageError(f"{text}: name address and port alone; --target says what is asked for")
    return ServerSide(_loopback(host, port or 80), port or 80)


def _loopback(host: str, port: int) -> str:
    """The numeric address of a host that is this machine alone. Raises UsageError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{host}: there is no such host ({error})") from None
    addresses = [str(one[4][0]) for one in found]
    if not all(ip_address(one).is_loopback for one in addresses):
        raise UsageError(f"{host} is not this machine: load goes to loopback addresses only")
    return addresses[0]
