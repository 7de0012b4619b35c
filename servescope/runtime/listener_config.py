"""Which listeners are wanted: what the settings say, and what people changed since."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from servescope.errors import ListenerError, SettingsError
from servescope.hosting.app_import import import_app, kind_of
from servescope.paths import expanded
from servescope.records import (
    AccessLogFormat,
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
)
from servescope.runtime.hostable import BUNDLED_SITE, nothing_against
from servescope.serving.workers.app_probe import kind_in_process
from servescope.settings import names_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from servescope.records import ListenerOverrides, ListenerStatus
    from servescope.settings import Settings

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
            options=replace(
                common_options(settings, name, cores[index % len(cores)]),
                certificate=getattr(settings, f"{name}_tls_certificate"),
                key=str(getattr(settings, f"{name}_tls_key") or ""),
                debugger=settings.wsgi_debugger and name == "wsgi",
            ),
        )
        for index, (name, port, model, kind, app, setting) in enumerate((files, wsgi, asgi))
    ]


def added_listener(settings: Settings, name: str) -> ListenerSpec:
    """What a listener that a person adds has beside what they want of it."""
    return ListenerSpec(
        name=name,
        address=settings.listen_address,
        port=0,
        model=ConcurrencyModel.THREAD_POOL,
        app_kind=AppKind.STATIC,
        app=str(BUNDLED_SITE),
        options=common_options(settings, name, min(os.sched_getaffinity(0))),
    )


def common_options(settings: Settings, name: str, core: int) -> ListenerOptions:
    """The options every listener of these settings has."""
    log = settings.access_log
    return ListenerOptions(
        threads=settings.threads,
        workers=settings.workers,
        backlog=settings.backlog,
        deny=tuple(str(network) for network in settings.deny),
        allow=tuple(str(network) for network in settings.allow),
        trusted_proxies=settings.trusted_proxies,
        proxy_headers=settings.proxy_headers,
        pin_core=core if settings.pin_cpu else None,
        access_log=str(log / f"{name}.log") if log else "",
        access_log_format=AccessLogFormat(settings.access_log_format),
        access_log_bytes=settings.access_log_mib * 1024 * 1024,
        access_log_files=settings.access_log_files,
    )


def wished(spec: ListenerSpec, wish: ListenerOverrides, logs: Path) -> ListenerSpec:
    """The listener as people want it; `logs` is where its access log goes if it has no place.

    Of an app that is no folder only its import tells the kind: see `settled`.
    """
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
    if wish.app is not None:
        is_folder = names_folder(wish.app)
        app = _expanded(wish.app) if is_folder else wish.app
        spec = replace(spec, app=app, app_kind=AppKind.STATIC if is_folder else AppKind.WSGI)
    return spec if wish.port is None else replace(spec, port=wish.port, port_is_default=False)


def _expanded(folder: str) -> str:
    try:
        return str(expanded(folder))
    except SettingsError:  # `objection` tells so
        return folder


def settled(
    spec: ListenerSpec, wish: ListenerOverrides, objection: Callable[[str], str]
) -> ListenerSpec:
    """What `wished` answered, once the app was imported and its kind is known.

    An ASGI app gets its event loop unless another model was asked for. `objection` says why an app
    may not be hosted. Raises ListenerError when it may not, or cannot be imported.
    """
    if wish.app is None:
        return spec
    why_not = objection(wish.app)
    if why_not:
        raise ListenerError(why_not.rstrip("."))
    if spec.app_kind is AppKind.STATIC:
        return spec
    is_elsewhere = spec.options.reload
    kind = kind_in_process(spec.app) if is_elsewhere else kind_of(import_app(spec.app))
    needs_loop = kind is AppKind.ASGI and wish.model is None
    return replace(
        spec, app_kind=kind, model=ConcurrencyModel.ASYNCIO if needs_loop else spec.model
    )


def faults(
    status: ListenerStatus,
    wish: ListenerOverrides,
    objection: Callable[[str], str] = nothing_against,
) -> dict[str, str]:
    """What of a wish cannot be, by its field; each a sentence that says what can."""
    found: dict[str, str] = {}
    why_not = "" if wish.app is None else objection(wish.app)
    if why_not:
        found["app"] = why_not
    found |= _out_of_bounds(wish)
    on_loop = wish.model in {None, ConcurrencyModel.ASYNCIO}
    if status.app_kind == AppKind.ASGI and wish.app is None and not on_loop:
        found["model"] = "An ASGI app needs an event loop: choose asyncio."
    for name in ("deny", "allow"):
        bad = no_networks(getattr(wish, name) or ())
        if bad:
            found[name] = f"{', '.join(bad)}: neither an address nor a network."
    return found


def new_faults(wish: ListenerOverrides, objection: Callable[[str], str]) -> dict[str, str]:
    """The same of a listener that is to be added."""
    why_not = objection(wish.app or "")
    return _out_of_bounds(wish) | ({"app": why_not} if why_not else {})


def _out_of_bounds(wish: ListenerOverrides) -> dict[str, str]:
    return {
        name: f"Between {least} and {most:,}."
        for name, value, least, most in (
            ("port", wish.port, 0, MOST_PORT),
            ("threads", wish.threads, 1, MOST_THREADS),
            ("workers", wish.workers, 1, MOST_WORKERS),
        )
        if value is not None and not least <= value <= most
    }


def no_networks(entries: Iterable[str]) -> list[str]:
    """Those of the entries that name neither an address nor a network."""
    return [entry for entry in entries if not _is_network(entry)]


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True
