"""The options of `python -m servescope serve`, as data; docs/servers.md tells of each (tested)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.commands.option_values import above_zero, whole
from servescope.records.listeners import ConcurrencyModel, ListenerOptions

if TYPE_CHECKING:
    import argparse

APP: Final = "module:attribute of a WSGI or ASGI app, module:create_app() of a factory, or a folder"
_OWN: Final = ListenerOptions()


OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--host": {"default": "127.0.0.1", "metavar": "ADDRESS", "help": "address to listen on"},
    "--port": {"type": whole(0, 65_535), "default": 8080, "help": "0 picks a free one"},
    "--unix": {
        "type": Path,
        "metavar": "PATH",
        "help": "listen at a unix socket instead of an address and a port",
    },
    "--certificate": {
        "metavar": "FILE",
        "help": "PEM file, or self-signed for a pair made in the data folder: HTTPS",
    },
    "--key": {
        "metavar": "FILE",
        "help": "PEM file with the key; without it, it is in the certificate's file",
    },
    "--name": {"help": "the listener's name on the pages; without it the module's or folder's"},
    "--model": {
        "help": f"{', '.join(ConcurrencyModel)}; without it asyncio for ASGI, else thread_pool"
    },
    "--workers": {
        "type": whole(1, 64),
        "default": _OWN.workers,
        "help": "processes of the model prefork",
    },
    "--threads": {
        "type": whole(1, 256),
        "default": _OWN.threads,
        "help": "request threads, of each worker",
    },
    "--backlog": {
        "type": whole(1, 65_535),
        "default": _OWN.backlog,
        "help": "length of the accept queue",
    },
    "--max-connections": {
        "type": whole(1, 1_000_000),
        "default": _OWN.max_connections,
        "help": "connections open at a time, of each worker; more get 503",
    },
    "--keep-alive": {
        "type": above_zero,
        "default": _OWN.keep_alive_seconds,
        "metavar": "SECONDS",
        "help": "how long an idle connection is kept",
    },
    "--keep-alive-requests": {
        "type": whole(0, 1_000_000_000),
        "default": _OWN.keep_alive_requests,
        "metavar": "COUNT",
        "help": "requests of one connection, 0 without bound",
    },
    "--head-timeout": {
        "type": above_zero,
        "default": _OWN.head_seconds,
        "metavar": "SECONDS",
        "help": "time for a request's head",
    },
    "--body-timeout": {
        "type": above_zero,
        "default": _OWN.body_seconds,
        "metavar": "SECONDS",
        "help": "time for each 64 KiB of a request's body",
    },
    "--write-timeout": {
        "type": above_zero,
        "default": _OWN.write_seconds,
        "metavar": "SECONDS",
        "help": "time a client may take before it reads on",
    },
    "--max-body": {
        "type": whole(0, 1 << 50),
        "default": _OWN.max_body,
        "metavar": "BYTES",
        "help": "longest body of a request; more gets 413",
    },
    "--max-head": {
        "type": whole(256, 1 << 24),
        "default": _OWN.max_head,
        "metavar": "BYTES",
        "help": "longest head of a request; more gets 431",
    },
    "--max-headers": {
        "type": whole(1, 10_000),
        "default": _OWN.max_header_count,
        "metavar": "COUNT",
        "help": "header fields of a request; more get 431",
    },
    "--max-target": {
        "type": whole(64, 1 << 20),
        "default": _OWN.max_target,
        "metavar": "BYTES",
        "help": "longest target of a request; more gets 414",
    },
    "--deny": {
        "action": "append",
        "metavar": "NETWORK",
        "help": "address or network that gets 403; several times, or with commas",
    },
    "--allow": {
        "action": "append",
        "metavar": "NETWORK",
        "help": "the same the other way round: every other address gets 403",
    },
    "--trusted-proxies": {
        "action": "append",
        "metavar": "NETWORK",
        "help": "address or network of a proxy that tells who its client is, or unix: for whoever "
        "connects to a unix socket; several times, or with commas",
    },
    "--proxy-headers": {
        "default": ",".join(_OWN.proxy_headers),
        "metavar": "FIELDS",
        "help": "fields that these proxies write; or forwarded alone",
    },
    "--access-log": {"type": Path, "metavar": "FILE", "help": "write an access log"},
    "--access-log-format": {
        "default": "combined",
        "metavar": "FORMAT",
        "help": "common or combined",
    },
    "--access-log-mib": {
        "type": whole(1, 65_536),
        "default": 16,
        "metavar": "MIB",
        "help": "size from which on it is rotated",
    },
    "--access-log-files": {
        "type": whole(1, 1_000),
        "default": 5,
        "metavar": "COUNT",
        "help": "files kept, the present one included",
    },
    "--reload": {
        "action": "store_true",
        "help": "import the app anew, in a new process, when one of its source files changes",
    },
    "--no-pin": {"action": "store_true", "help": "let threads and workers run on any core"},
    "--data-folder": {
        "type": Path,
        "metavar": "FOLDER",
        "help": "where to record; without it SERVESCOPE_DATA_DIR",
    },
}
"""The options, each with its arguments of `add_argument`."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Let the parser know them."""
    parser.add_argument("app", metavar="APP", help=APP)
    for name, told in OPTIONS.items():
        shown = "; default: %(default)s" if "default" in told else ""
        parser.add_argument(name, **{**told, "help": told["help"] + shown})
