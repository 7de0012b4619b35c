"""The sides of a comparison, as a person names them: a URL, or an app in a folder or revision."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from servescope.errors import LoadRefusedError, SettingsError, UsageError
from servescope.hosting.app_import import parse_app_name
from servescope.load.named_hosts import (
    FoundAddress,
    addresses_of,
    host_and_port_of,
    resolved,
)
from servescope.load.targets import Target
from servescope.load.tls_connections import Trust
from servescope.paths import absolute
from servescope.records.server_kinds import ServerKind
from servescope.verdicts.revision import checked_out

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

SIDE: Final = (
    "http://ADDRESS:PORT of a server on this machine, an app as module:attribute@FOLDER or "
    "module:attribute@REVISION of the git repository here, or a run file, NAME.servescope"
)
_OURS: Final = "servescope"


@dataclass(frozen=True, slots=True)
class ServerSide:
    """A server that runs already."""

    target: Target
    lookup_seconds: float | None = None  # that its name took to be found; None: an address

    @property
    def label(self) -> str:
        return ServerKind.HOST.called(
            f"http{'s' if self.target.trust else ''}://{self.target.host}"
        )


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


def side_of(text: str, checkout: Path, load_hosts: Collection[str] = ()) -> NamedSide:
    """Read a side; a revision's files are written into the folder `checkout`, which is made.

    `load_hosts` are the origins that the operator named. Raises UsageError or AppImportError when
    it is none, or may not be loaded.
    """
    if "://" in text:
        return _server(text, load_hosts)
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


def _server(text: str, load_hosts: Collection[str]) -> ServerSide:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise UsageError(f"{text} is no URL: {error}") from None
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        raise UsageError(f"{text}: name address and port alone; --target says what is asked for")
    origin = f"{url.scheme}://{url.netloc}"
    if origin in load_hosts:
        return _named(origin)
    if url.scheme != "http" or not host:
        raise UsageError(f"{text}: a running server is named as http://ADDRESS:PORT")
    found = _loopback(host, port or 80)
    return ServerSide(Target(found.address, port or 80, url.netloc), found.lookup_seconds)


def _named(origin: str) -> ServerSide:
    """A server that the operator named. Raises UsageError when it cannot be reached."""
    host, port = host_and_port_of(origin)
    parts = urlsplit(origin)
    try:
        found = resolved(origin)
    except LoadRefusedError as error:
        raise UsageError(str(error)) from error
    trust = Trust.by_system(host) if parts.scheme == "https" else None
    return ServerSide(Target(found.address, port, parts.netloc, trust), found.lookup_seconds)


def _loopback(host: str, port: int) -> FoundAddress:
    """The address of a host that is this machine alone. Raises UsageError."""
    try:
        found, lookup_seconds = addresses_of(host, port)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{host}: there is no such host ({error})") from None
    addresses = [str(one[4][0]) for one in found]
    if not all(ip_address(one).is_loopback for one in addresses):
        raise UsageError(f"{host} is not this machine, and not in SERVESCOPE_LOAD_HOSTS")
    return FoundAddress(addresses[0], lookup_seconds)
