"""The desired state of listeners: what the settings say, and what people changed since."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.actions.hostable_apps import BUNDLED_SITE, why_not_hostable
from servescope.errors import ListenerError, SettingsError
from servescope.hosting.app_import import import_app, kind_of
from servescope.paths import expanded
from servescope.records.listeners import (
    AccessLogFormat,
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
)
from servescope.serving.workers.app_probe import kind_in_process
from servescope.settings import names_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servescope.records.listeners import ListenerOverrides
    from servescope.settings import Settings

LISTEN_ADDRESS: Final = "SERVESCOPE_LISTEN_ADDRESS"
LOOPBACK: Final = "127.0.0.1"
LOGS: Final = "logs"
"""The folder, within the data folder, of access logs that were switched on while serving."""


def configured_listeners(settings: Settings) -> list[ListenerSpec]:
    """The listeners that these settings describe."""
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
            address_setting=f"SERVESCOPE_{name.upper()}_ADDRESS"
            if getattr(settings, f"{name}_address")
            else LISTEN_ADDRESS,
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
    """A listener that a person adds, before its overrides."""
    return ListenerSpec(
        name=name,
        address=settings.listen_address,
        port=0,
        model=ConcurrencyModel.THREAD_POOL,
        app_kind=AppKind.STATIC,
        app=str(BUNDLED_SITE),
        address_setting=LISTEN_ADDRESS,
        options=common_options(settings, name, min(os.sched_getaffinity(0))),
    )


def temporary_listener(
    settings: Settings, name: str, model: ConcurrencyModel, app: str, core: int | None
) -> ListenerSpec:
    """A listener of a model that is there only while it is measured, pinned to a core or to none.

    At a free port of the loopback interface, for nobody but us. Raises ListenerError when the app
    cannot be hosted by it.
    """
    why_not = why_not_hostable(settings, app)
    if why_not:
        raise ListenerError(why_not)
    kind = AppKind.STATIC if names_folder(app) else kind_of(import_app(app))
    options = common_options(settings, name, core)
    options = replace(options, deny=(), allow=(), access_log="")
    return ListenerSpec(name, LOOPBACK, 0, model, kind, app, options=options)


def common_options(settings: Settings, name: str, core: int | None) -> ListenerOptions:
    """The options every listener of these settings has; `core` is for those that pin."""
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


def apply_overrides(spec: ListenerSpec, overrides: ListenerOverrides, logs: Path) -> ListenerSpec:
    """The listener with what people changed; `logs` is where its access log goes without a place.

    Of an app that is no folder only its import tells the kind: see `resolve_app`.
    """
    options = spec.options
    changes = {
        name: value
        for name in ("threads", "workers", "deny", "allow")
        if (value := getattr(overrides, name)) is not None
    }
    if overrides.access_log is not None:
        path = options.access_log or str(logs / f"{spec.name}.log")
        changes["access_log"] = path if overrides.access_log else ""
    spec = replace(spec, options=replace(options, **changes), model=overrides.model or spec.model)
    if overrides.app is not None:
        is_folder = names_folder(overrides.app)
        app = _expanded(overrides.app) if is_folder else overrides.app
        spec = replace(spec, app=app, app_kind=AppKind.STATIC if is_folder else AppKind.WSGI)
    if overrides.port is not None:
        spec = replace(spec, port=overrides.port, port_is_default=False)
    return spec


def _expanded(folder: str) -> str:
    try:
        return str(expanded(folder))
    except SettingsError:  # `why_not_hostable` says so
        return folder


def resolve_app(
    spec: ListenerSpec, overrides: ListenerOverrides, why_not: Callable[[str], str]
) -> ListenerSpec:
    """The result of `apply_overrides`, with the app imported and its kind known.

    An ASGI app gets its event loop unless another model was asked for. `why_not` says why an app
    may not be hosted. Raises ListenerError when it may not, or cannot be imported.
    """
    if overrides.app is None:
        return spec
    reason = why_not(overrides.app)
    if reason:
        raise ListenerError(reason.rstrip("."))
    if spec.app_kind is AppKind.STATIC:
        return spec
    is_elsewhere = spec.options.reload
    kind = kind_in_process(spec.app) if is_elsewhere else kind_of(import_app(spec.app))
    needs_loop = kind is AppKind.ASGI and overrides.model is None
    return replace(
        spec, app_kind=kind, model=ConcurrencyModel.ASYNCIO if needs_loop else spec.model
    )
