"""The client behind a trusted proxy, in every concurrency model: denied, and logged."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.contracts.test_addresses_contract import connect_unix, start_at
from tests.serving.raw_client import connect, exchange, read_responses
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.harness import ModelHarness


def get(client: str, path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {client}\r\n\r\n".encode()


def test_the_client_behind_a_trusted_proxy_is_denied_and_logged(
    harness: ModelHarness, tmp_path: Path
):
    log = tmp_path / "it.log"
    listener = harness.start(
        trusted_proxies=("127.0.0.0/8",), deny=("203.0.113.0/24",), access_log=str(log)
    )
    with connect(listener) as kept:
        for client in ("198.51.100.1", "203.0.113.5, 198.51.100.2", "unknown"):
            kept.sendall(get(client))
            assert read_responses(kept, 1)[0][0] == 200
    assert exchange(listener, get("198.51.100.1, 203.0.113.5")).startswith(b"HTTP/1.1 403 ")
    wait_until(lambda: log.exists() and log.read_text().count("\n") == 4, "four lines")
    seen = {line.partition(" ")[0] for line in log.read_text().splitlines()}
    assert seen == {"198.51.100.1", "198.51.100.2", "127.0.0.1", "203.0.113.5"}


def test_somebody_else_is_not_believed(harness: ModelHarness):
    for trusted in (("192.0.2.1",), ()):
        listener = harness.start(trusted_proxies=trusted, deny=("203.0.113.0/24",))
        with connect(listener) as sock:
            sock.sendall(get("203.0.113.5"))
            assert read_responses(sock, 1)[0][0] == 200


def test_the_peer_of_a_unix_socket_is_trusted_by_its_token(harness: ModelHarness, tmp_path: Path):
    if harness.kind is AppKind.ASGI:  # the loop's reading is the same
        assert harness.model is ConcurrencyModel.ASYNCIO
        return
    for number, (trusted, seen) in enumerate(((("unix:",), b"198.51.100.1"), ((), b""))):
        path = tmp_path / f"{number}.sock"
        start_at(harness, f"unix:{path}", trusted_proxies=trusted)
        with connect_unix(path) as sock:
            assert sock.family == socket.AF_UNIX
            sock.sendall(get("198.51.100.1", "/environ?REMOTE_ADDR"))
            assert read_responses(sock, 1) == [(200, seen)]
