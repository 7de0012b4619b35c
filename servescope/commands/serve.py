"""`python -m servescope serve`: an app or a folder, served and recorded without a dashboard."""

from __future__ import annotations

import logging
import os
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar

from servescope.addresses import without_brackets
from servescope.bounded_exit import exit_within
from servescope.commands import serve_options
from servescope.commands.interruption import INTERRUPTED
from servescope.errors import DataFolderError, ListenerError, UsageError
from servescope.hosting.app_import import import_app, kind_of
from servescope.paths import absolute, expanded
from servescope.records.listeners import (
    SELF_SIGNED,
    UNIX,
    AccessLogFormat,
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
)
from servescope.runtime import listeners
from servescope.runtime.reconcile_loop import ROUND_S
from servescope.runtime.served_app import ServedApp
from servescope.sentences import counted
from servescope.serving.access import networks
from servescope.serving.workers.app_probe import kind_in_process
from servescope.settings import load_settings
from servescope.stop_request import StopRequest
from servescope.wire.forwarded import TrustedProxies

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from servescope.records.listeners import ListenerStatus

HELP: Final = "serve an app or a folder, and record it, without a dashboard"
GRACE_S: Final = 5.0
STOP_S: Final = 9.0
"""How long the end may take in all, requests in flight included."""

EXIT_S: Final = 2.0
"""How long, at its end, what the app left behind may take: threads, children, exit handlers."""

_MIB: Final = 1024 * 1024
_NAME_LENGTH: Final = 40
Choice = TypeVar("Choice", ConcurrencyModel, AccessLogFormat)
_KINDS: Final = {AppKind.STATIC: "folder", AppKind.WSGI: "WSGI", AppKind.ASGI: "ASGI"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    serve_options.add_to(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Raises ServescopeError when that cannot begin."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = load_settings()
    folder = absolute(arguments.data_folder or settings.data_dir)
    spec = listener_of(arguments)
    stop = StopRequest(second_interrupt_status=INTERRUPTED)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataFolderError(
            f"cannot make the data folder {folder}: {error.strerror}; "
            "name another with --data-folder"
        ) from error
    served = ServedApp(folder, spec, settings)
    try:
        status = served.start()
        sys.stdout.write(f"{sentence(status, folder)}\n")
        sys.stdout.flush()
        if arguments.reload:  # and say so
            logging.getLogger(listeners.__name__).setLevel(logging.INFO)
        while not stop.comes_within(ROUND_S):
            served.run_once()
    finally:
        exit_within(STOP_S)
        served.stop(GRACE_S)
        exit_within(EXIT_S)
    return 0


def listener_of(arguments: argparse.Namespace) -> ListenerSpec:
    """The listener that the arguments describe. Raises UsageError or AppImportError."""
    kind, app, name = _app(arguments.app, reloads=arguments.reload)
    model = _choice(
        "--model",
        arguments.model or ("asyncio" if kind is AppKind.ASGI else "thread_pool"),
        ConcurrencyModel,
    )
    if kind is AppKind.ASGI and model is not ConcurrencyModel.ASYNCIO:
        raise UsageError(f"{app} is an ASGI app and needs an event loop: --model asyncio")
    address = without_brackets(arguments.host)
    if arguments.unix:
        address = f"{UNIX}{absolute(arguments.unix)}"
    try:
        ip_address(without_brackets(arguments.host))
    except ValueError:
        raise UsageError(f"--host {arguments.host}: not an address") from None
    name = arguments.name or name
    if not name.isprintable() or not 1 <= len(name) <= _NAME_LENGTH:
        raise UsageError(f"--name {name!r}: 1 to {_NAME_LENGTH} printable characters")
    log = arguments.access_log
    proxies, proxy_headers = _proxies(arguments)
    options = ListenerOptions(
        reload=arguments.reload,
        threads=arguments.threads,
        workers=arguments.workers,
        backlog=arguments.backlog,
        keep_alive_seconds=arguments.keep_alive,
        keep_alive_requests=arguments.keep_alive_requests,
        head_seconds=arguments.head_timeout,
        body_seconds=arguments.body_timeout,
        write_seconds=arguments.write_timeout,
        max_target=arguments.max_target,
        max_header_count=arguments.max_headers,
        max_head=arguments.max_head,
        max_body=arguments.max_body,
        max_connections=arguments.max_connections,
        deny=_access_list("--deny", arguments.deny or []),
        allow=_access_list("--allow", arguments.allow or []),
        trusted_proxies=proxies,
        proxy_headers=proxy_headers,
        pin_core=None if arguments.no_pin else min(os.sched_getaffinity(0)),
        access_log=str(absolute(log)) if log else "",
        access_log_format=_choice(
            "--access-log-format", arguments.access_log_format, AccessLogFormat
        ),
        access_log_bytes=arguments.access_log_mib * _MIB,
        access_log_files=arguments.access_log_files,
        certificate=_file(arguments.certificate),
        key=_file(arguments.key),
    )
    return ListenerSpec(
        name, address, arguments.port, model, kind, app, options=options, address_setting="--host"
    )


def sentence(status: ListenerStatus, folder: Path) -> str:
    """Where it listens and how."""
    how = {
        ConcurrencyModel.PREFORK: f", {counted(status.options.workers, 'worker')} of "
        f"{counted(status.options.threads, 'thread')}",
        ConcurrencyModel.THREAD_POOL: f", {counted(status.options.threads, 'thread')}",
    }.get(ConcurrencyModel(status.model), "")
    kind = _KINDS[AppKind(status.app_kind)]
    return (
        f"Servescope serves {status.app} ({kind}) on {status.url} with the model "
        f"{status.model}{how}; it records as {status.name} into {folder}"
    )


def _file(given: str | None) -> str:
    """The path of a PEM file, absolute; SELF_SIGNED stays as it is."""
    if not given or given == SELF_SIGNED:
        return given or ""
    return str(absolute(given))


def _app(given: str, *, reloads: bool) -> tuple[AppKind, str, str]:
    """The kind of app, the app as a listener names it, and a name for its listener."""
    path = expanded(given)
    if path.is_dir():
        if reloads:
            raise UsageError("--reload is for apps: the files of a folder are read anew anyway")
        return AppKind.STATIC, str(path.resolve()), path.resolve().name or "files"
    if ":" not in given:
        raise UsageError(f"{given} is neither a folder nor an app named as module:attribute")
    kind = kind_in_process(given) if reloads else kind_of(import_app(given))
    return kind, given, given.partition(":")[0].rpartition(".")[2]


def _choice(option: str, value: str, kind: type[Choice]) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{option} {value}: choose one of {', '.join(kind)}") from None


def _entries(given: list[str]) -> tuple[str, ...]:
    """The entries of an option that may be given several times, or with commas."""
    return tuple(part.strip() for one in given for part in one.split(",") if part.strip())


def _access_list(option: str, given: list[str]) -> tuple[str, ...]:
    entries = _entries(given)
    try:
        networks(entries)
    except ListenerError as error:
        raise UsageError(f"{option} {error}") from None
    return entries


def _proxies(arguments: argparse.Namespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Trusted proxies, and the fields that they write."""
    entries = _entries(arguments.trusted_proxies or [])
    fields = _entries([arguments.proxy_headers.lower()])
    try:
        TrustedProxies(entries, fields)
    except ValueError as error:
        raise UsageError(f"--trusted-proxies, --proxy-headers: {error}") from None
    return entries, fields
