"""Listeners: desired and actual state, and the options of each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from servescope import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConcurrencyModel(StrEnum):
    """How a listener handles more than one request at a time; all choices derive from these.

    Settings, options and records name one by its value, pages by its label. The registry in
    `serving.models` says which class implements each.
    """

    SEQUENTIAL = "sequential"
    THREAD_POOL = "thread_pool"
    PREFORK = "prefork"
    ASYNCIO = "asyncio"

    @property
    def label(self) -> str:
        """The name on pages."""
        return self.value.replace("_", " ")


class AppKind(StrEnum):
    """The kind of application behind a listener."""

    STATIC = "static"
    WSGI = "wsgi"
    ASGI = "asgi"


class AccessLogFormat(StrEnum):
    """Formats of the access log, as Apache httpd names them (mod_log_config)."""

    COMMON = "common"
    COMBINED = "combined"  # common, and the fields Referer and User-Agent


SELF_SIGNED = "self-signed"
"""In place of a certificate's file: the pair that is made in the data folder."""


X_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
"""The fields in which proxies tell of a client, of the two families the common one."""


UNIX: Final = addresses.UNIX
"""Begins an address that is a path: the listener is a unix socket (unix(7)) and has no port."""


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """Limits and deadlines of a listener; sizes in bytes, times in seconds."""

    threads: int = 8
    workers: int = 2  # processes of the model `prefork`, each with `threads` threads
    backlog: int = 128
    keep_alive_seconds: float = 76.0  # above a balancer's usual 60-75 s: no race on idle close
    keep_alive_requests: int = 0  # 0: without bound
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    max_target: int = 8_190
    max_header_count: int = 100
    max_head: int = 65_536
    max_body: int = 16 * 1024 * 1024
    max_connections: int = 4_096
    deny: tuple[str, ...] = ()  # addresses or networks
    allow: tuple[str, ...] = ()  # when not empty, everybody else is denied
    trusted_proxies: tuple[str, ...] = ()  # as wire.forwarded.TrustedProxies has them
    proxy_headers: tuple[str, ...] = X_FORWARDED  # the fields that they write
    pin_core: int | None = None  # None: not pinned
    certificate: str = ""  # a PEM file, or SELF_SIGNED; "": no TLS
    key: str = ""  # a PEM file; "": it is in the certificate's file
    access_log: str = ""  # the file; empty: none is written
    access_log_format: AccessLogFormat = AccessLogFormat.COMBINED
    access_log_bytes: int = 16 * 1024 * 1024  # a longer file is rotated
    access_log_files: int = 5  # the present one included
    debugger: bool = False  # around a WSGI app, on a loopback address
    reload: bool = False  # in processes of its own, replaced when a source file of the app changes

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ListenerOptions:
        """The options an object of JSON tells; a field unknown here is passed over.

        Raises ValueError or TypeError when a value is unfit.
        """
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        for name in ("deny", "allow", "trusted_proxies", "proxy_headers"):
            if name in known:
                known[name] = tuple(known[name])
        if "access_log_format" in known:
            known["access_log_format"] = AccessLogFormat(known["access_log_format"])
        return cls(**known)


def calls_app_on_loop(model: str, app_kind: str) -> bool:
    """Whether an event loop calls the app, so that no thread is waited for."""
    return model == ConcurrencyModel.ASYNCIO and app_kind == AppKind.ASGI


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """Desired state of a listener."""

    name: str
    address: str  # numeric or a name; "::" takes IPv4 as well; or UNIX and a path
    port: int  # 0 picks a free one
    model: ConcurrencyModel
    app_kind: AppKind
    app: str  # a folder, or module:attribute
    port_is_default: bool = False  # then the next free port is used when this one is taken
    options: ListenerOptions = field(default_factory=ListenerOptions)
    address_setting: str = ""  # the setting or option that changes its address; "": none does


class ListenerState(StrEnum):
    """Where a listener stands."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """The part of a listener's certificate that clients see; times in epoch seconds."""

    file: str  # where it was read; a renewed one is found there
    sha256: str  # of its DER form, hexadecimal
    serial: str  # hexadecimal
    ends_s: float
    read_s: float  # since when it is in use


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """Actual state of a listener, written by the leader."""

    name: str
    state: ListenerState
    address: str
    port: int  # the port in use, or the one that was asked for while there is none
    model: str
    app: str
    wanted_port: int
    message: str = ""  # why it failed, or who holds the wanted port
    since_s: float = 0.0
    is_tls: bool = False
    app_kind: str = ""
    options: ListenerOptions = field(default_factory=ListenerOptions)
    is_changed: bool = False  # a person changed it, see ListenerOverrides
    is_added: bool = False  # a person added it: the settings know nothing of it
    is_temporary: bool = False  # it ends with its comparison or experiment
    pid: int = 0  # the process that runs it
    certificate: ShownCertificate | None = None  # while it runs behind TLS
    revision: int = 0  # of the overrides that this is the outcome of
    address_setting: str = ""  # see ListenerSpec

    @property
    def has_event_loop(self) -> bool:
        """See `calls_app_on_loop`."""
        return calls_app_on_loop(self.model, self.app_kind)

    @property
    def request_threads(self) -> int | None:
        """Request threads of all its processes; None for an app that runs on an event loop."""
        if self.has_event_loop:
            return None
        if self.model == ConcurrencyModel.SEQUENTIAL:
            return 1
        if self.model == ConcurrencyModel.PREFORK:
            return self.options.threads * self.options.workers
        return self.options.threads

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it; of a unix socket its address."""
        if self.address.startswith(UNIX):
            return self.address
        return addresses.url_of(self.address, self.port, is_tls=self.is_tls)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ListenerStatus:
        """The status an object of JSON tells; a field unknown here is passed over."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["state"] = ListenerState(known["state"])
        known["options"] = ListenerOptions.from_json(known.get("options", {}))
        if known.get("certificate") is not None:
            known["certificate"] = ShownCertificate(**known["certificate"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class ListenerOverrides:
    """Desired state of a listener where it differs from its settings; None: as these say.

    `restarts` counts: the listener is restarted whenever the number grows. `app` is a folder or
    `module:attribute`. A listener with `is_added` is in no settings: it lives as long as they do.
    `revision` grows with each change that is asked for, and is no part of what is desired.
    """

    runs: bool = True
    restarts: int = 0
    is_added: bool = False
    app: str | None = None
    port: int | None = None
    model: ConcurrencyModel | None = None
    threads: int | None = None
    workers: int | None = None
    deny: tuple[str, ...] | None = None
    allow: tuple[str, ...] | None = None
    access_log: bool | None = None
    revision: int = field(default=0, compare=False)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ListenerOverrides:
        """The overrides an object of JSON tells; a field unknown here is passed over."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        for name in ("deny", "allow"):
            if known.get(name) is not None:
                known[name] = tuple(known[name])
        if known.get("model") is not None:
            known["model"] = ConcurrencyModel(known["model"])
        return cls(**known)
