"""The one error tree. Foreign exceptions are mapped to it once, at the seam where they enter."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServescopeError(Exception):
    """Anything Servescope reports to a person; its text is a whole sentence that says what to do.

    `http_status` is what a page or an API answers with when the error reaches it, `exit_status`
    what the process ends with when the error keeps it from starting.
    """

    http_status = HTTPStatus.INTERNAL_SERVER_ERROR
    exit_status = 1


class SettingsError(ServescopeError):
    """A setting is unknown or has a bad value; the text names it."""

    exit_status = 2


class UsageError(ServescopeError):
    """A command was given something that cannot be; the text names the option."""

    exit_status = 2


class DataFolderError(ServescopeError):
    """The data folder cannot be created, read or written."""


class NotAllowedError(ServescopeError):
    """The person may look, but not change this; the text says how they may."""

    http_status = HTTPStatus.FORBIDDEN


class ListenerError(ServescopeError):
    """A listener cannot do what was asked of it."""

    http_status = HTTPStatus.CONFLICT


class ListenerRefusedError(ListenerError):
    """A person asked for a listener that cannot be.

    `by_field` has a sentence for each field that is wrong, nothing where it is no field's fault.
    `free_port` can be asked for in place of a port that is taken.
    """

    http_status = HTTPStatus.BAD_REQUEST

    def __init__(
        self,
        sentence: str,
        by_field: Mapping[str, str] | None = None,
        free_port: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.by_field = dict(by_field or {})
        self.free_port = free_port

    @classmethod
    def of_fields(cls, by_field: Mapping[str, str], free_port: int | None = None) -> Self:
        """All the sentences as one error."""
        return cls(" ".join(by_field.values()), by_field, free_port)


class PortTakenError(ListenerError):
    """The port is bound by somebody else; `holder` says by whom, as far as we may see."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(f"port {port} is held by {holder}")
        self.port = port
        self.holder = holder


class PortNotPermittedError(ListenerError):
    """The port is below the unprivileged range and this user may not bind it (ip(7))."""

    http_status = HTTPStatus.FORBIDDEN


class CertificateError(ListenerError):
    """A certificate or key cannot be read, is none, or does not belong to the other."""

    http_status = HTTPStatus.BAD_REQUEST


class AppImportError(ListenerError):
    """An app named as `module:attribute` cannot be imported or is not callable."""

    http_status = HTTPStatus.BAD_REQUEST
    exit_status = 2


class ProtocolError(ServescopeError):
    """The peer broke HTTP. `status` is the response a server gives (RFC 9110 section 15.5)."""

    http_status = HTTPStatus.BAD_REQUEST

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ClientGoneError(ServescopeError):
    """The client closed the connection, or stopped reading, before the response was out."""


class ClientDisconnectedError(ClientGoneError, OSError):
    """The same as an ASGI app sees it: `send` raises an OSError (ASGI HTTP specification 2.4)."""


class LoadRefusedError(ServescopeError):
    """A load plan is out of bounds or aims at something that is not ours."""

    http_status = HTTPStatus.BAD_REQUEST


class UnfitValueError(LoadRefusedError):
    """A value, say of an answer, cannot stand where a placeholder of a scenario puts it."""


class ComparisonError(ServescopeError):
    """Two servers could not be measured against each other, or not to the end."""

    exit_status = 3


class LoadFailedError(ServescopeError):
    """A load run did not come to its end: nothing is known of the server."""

    exit_status = 3


class CaptureError(ServescopeError):
    """A captured request cannot be read or kept."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class CaptureRefusedError(ServescopeError):
    """A person asked for a capture, or for a request to be sent again, that cannot be."""

    http_status = HTTPStatus.BAD_REQUEST


class StoreError(ServescopeError):
    """The metrics store cannot do what was asked."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class StoreFullError(StoreError):
    """The disk, or the store's own size budget, is full; nothing was written, reading goes on."""


class StoreCorruptError(StoreError):
    """A part of the store fails its checksum or is no database at all."""


class StoreVersionError(StoreError):
    """The store was written by a newer Servescope than this one."""


class EngineAwayError(StoreError):
    """The engine that keeps the metrics does not answer now; it is asked again."""


class EngineRefusedError(StoreError):
    """The engine refused a request and would refuse it again."""


class ExportError(ServescopeError):
    """An export was asked for that cannot be made; the text says what can."""

    http_status = HTTPStatus.BAD_REQUEST
    exit_status = 2


class ExportFailedError(ServescopeError):
    """An export that can be asked for was not made, or not to its end."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class RunFileError(ServescopeError):
    """A file is no run file, or one that cannot be opened here; the text says why."""

    http_status = HTTPStatus.BAD_REQUEST
    exit_status = 2


class RingError(ServescopeError):
    """A file is not a ring of this version."""


class SocketDiagError(ServescopeError):
    """The kernel, or a sandbox around this process, refuses to tell of sockets by netlink."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE
