"""Which listeners are wanted: what the settings say, and what people changed since."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope import demo
from servescope.records import (
    AccessLogFormat,
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.records import ListenerStatus, ListenerWish
    from servescope.settings import Settings

BUNDLED_SITE: Final = Path(demo.__file__).parent / "site"
LOGS: Final = "logs"
"""The folder, within the data folder, of access logs that were switched on while serving."""

MOST_PORT: Final = 65_535
MOST_THREADS: Final = 256
MOST_WORKERS: Final = 64


def wanted_listeners(settings: Settings) -> list[ListenerSpec]:
    """The listeners these settings ask for."""
    cores = sorted(os.sched_getaffinity(0))
    files = (
        "files",
        settings.files_port,
        settings.files_model,
        AppKind.STATIC,
        str(settings.files_folder or BUNDLED_SITE),
        "files_port",
    )
    wsgi = (
        "wsgi",
        settings.wsgi_port,
        settings.wsgi_model,
        AppKind.WSGI,
        settings.wsgi_app,
        "wsgi_port",
    )
    asgi = ("asgi", settings.asgi_port, "asyncio", AppKind.ASGI, settings.asgi_app, "asgi_port")
    return [
        ListenerSpec(
            name=name,
            address=getattr(settings, f"{name}_address") or settings.listen_address,
            port=port,
            model=ConcurrencyModel(model),
            app_kind=kind,
            app=app,
            port_is_default=setting not in settings.model_fields_set,
            options=_options(settings, name, cores[index % len(cores)]),
        )
        for index, (name, port, model, kind, app, setting) in enumerate((files, wsgi, asgi))
    ]


def _options(settings: Settings, name: str, core: int) -> ListenerOptions:
    log = settings.access_log
    return ListenerOptions(
        threads=settings.threads,
        workers=settings.workers,
        backlog=settings.backlog,
        certificate=getattr(settings, f"{name}_tls_certificate"),
        key=str(getattr(settings, f"{name}_tls_key") or ""),
        deny=tuple(str(network) for network in settings.deny),
        allow=tuple(str(network) for network in settings.allow),
        pin_core=core if settings.pin_cpu else None,
        access_log=str(log.expanduser().absolute() / f"{name}.log") if log else "",
        access_log_format=AccessLogFormat(settings.access_log_format),
        access_log_bytes=settings.access_log_mib * 1024 * 1024,
        access_log_files=settings.access_log_files,
        debugger=settings.wsgi_debugger and name == "wsgi",
    )


def wished(spec: ListenerSpec, wish: ListenerWish, logs: Path) -> ListenerSpec:
    """The listener as people want it; `logs` is where its access log goes if it has no place."""
    options = spec.options
    changes = {
        name: value
        for name in ("threads", "workers", "deny", "allow")
        if (value := getattr(wish, name)) is not None
    }
    if wish.access_log is not None:
        path = options.access_log or str(logs / f"{spec.name}.log")
        changes["access_log"] = path if wish.access_log else ""
    spec = replace(spec, options=replace(options, **changes), model=wish.model or spec.model)
    return spec if wish.port is None else replace(spec, port=wish.port, port_is_default=False)


def faults(status: ListenerStatus, wish: ListenerWish) -> dict[str, str]:
    """What of a wish cannot be, by its field; each a sentence that says what can."""
    found: dict[str, str] = {}
    for name, value, least, most in (
        ("port", wish.port, 0, MOST_PORT),
        ("threads", wish.threads, 1, MOST_THREADS),
        ("workers", wish.workers, 1, MOST_WORKERS),
    ):
        if value is not None and not least <= value <= most:
            found[name] = f"Between {least} and {most:,}."
    on_loop = wish.model in {None, ConcurrencyModel.ASYNCIO}
    if status.app_kind == AppKind.ASGI and not on_loop:
        found["model"] = "An ASGI app needs an event loop: choose asyncio."
    for name in ("deny", "allow"):
        bad = no_networks(getattr(wish, name) or ())
        if bad:
            found[name] = f"{', '.join(bad)}: neither an address nor a network."
    return found


def no_networks(entries: Iterable[str]) -> list[str]:
    """Those of the entries that name neither an address nor a network."""
    return [entry for entry in entries if not _is_network(entry)]


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True
