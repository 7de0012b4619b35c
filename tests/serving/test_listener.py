from __future__ import annotations

import errno
import gc
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from servescope.errors import (
    AppImportError,
    ListenerError,
    PortNotPermittedError,
    PortTakenError,
)
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
from servescope.serving import bind, start_listener
from servescope.serving import listener as listener_module
from servescope.serving.connection import Connection
from servescope.serving.models.asyncio.connection import LoopConnection
from tests.ports import free_port
from tests.serving import apps_for_listeners
from tests.serving.raw_client import CLOSING, connect, read_all

REPOSITORY = Path(__file__).parents[2]
SPEC = ListenerSpec(
    name="x",
    address="127.0.0.1",
    port=0,
    model=ConcurrencyModel.THREAD_POOL,
    app_kind=AppKind.WSGI,
    app="tests.serving.apps_for_listeners:app",
)


@pytest.mark.parametrize("model", [one for one in ConcurrencyModel if one != "prefork"])
def test_an_idle_listener_holds_nothing_of_its_requests(bench, wait_until, model):
    before = live_connections()  # held, so that no other object gets their ids
    known = {id(one) for one in before}
    listener = bench.start(model=model, threads=4)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(connect(listener)) for _ in range(1 if model == "sequential" else 4)
        ]
        for client in clients:
            client.sendall(CLOSING.replace(b"/ ", b"/wait "))
            assert apps_for_listeners.entered.acquire(timeout=10)
        assert sum(id(one) not in known for one in live_connections()) == len(clients)
        apps_for_listeners.leave.set()
        for client in clients:
            assert read_all(client).startswith(b"HTTP/1.1 200")
    wait_until(
        lambda: all(id(one) in known for one in live_connections()), "the end of the connections"
    )


def live_connections() -> list[object]:
    """All connections of this process, those of tests before this one too."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in (Connection, LoopConnection)]


def test_a_port_that_is_taken(bench):
    listener = bench.start()
    with pytest.raises(PortTakenError) as caught:
        start_listener(replace(SPEC, port=listener.address[1]), bench.recorder)
    assert caught.value.port == listener.address[1]
    assert caught.value.holder == ""


def test_a_port_is_never_shared():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortTakenError):
            bind("127.0.0.1", other.getsockname()[1], 8)


def test_a_privileged_port_needs_the_right(tmp_path: Path):
    """In a process of its own that has given its rights away."""
    script = tmp_path / "bind_80.py"
    script.write_text(
        "import os\n"
        "from servescope.errors import PortNotPermittedError\n"
        "from servescope.serving import bind\n"
        "if os.getuid() == 0:\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    bind('127.0.0.1', 80, 8)\n"
        "except PortNotPermittedError as error:\n"
        "    print('refused', error, error.http_status.value)\n"
    )

    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "refused port 80 is privileged" in done.stdout, done.stderr
    assert issubclass(PortNotPermittedError, ListenerError)


@pytest.mark.parametrize(
    ("address", "port"), [("192.0.2.1", 0), ("no address", 0), ("127.0.0.1", 70_000)]
)
def test_addresses_that_cannot_be_bound(address: str, port: int):
    with pytest.raises(ListenerError):
        bind(address, port, 8)


def test_ipv6(bench):
    listener = start_listener(replace(SPEC, address="::1"), bench.recorder)
    try:
        with socket.create_connection(listener.address, timeout=10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        listener.stop()


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, app="no_such_module_at_all:app"),
        replace(SPEC, app="tests.serving.apps_for_listeners:nothing"),
        replace(SPEC, app_kind=AppKind.STATIC, app="/no/such/folder"),
    ],
)
def test_an_app_that_is_none_binds_nothing(spec: ListenerSpec, bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(AppImportError):
        start_listener(replace(spec, port=port), bench.recorder)
    bind("127.0.0.1", port, 8).close()


def test_a_model_that_cannot_be_made_leaves_nothing_bound(bench, monkeypatch):
    def no_model(_assignment):
        raise OSError(errno.EMFILE, "no descriptor for an event loop")

    monkeypatch.setattr(listener_module, "model_class", lambda _name: no_model)
    port = free_port()
    with pytest.raises(OSError, match="no descriptor") as caught:
        start_listener(replace(SPEC, port=port), bench.recorder)
    with socket.create_server(("127.0.0.1", port)):
        assert caught.tb is not None, "its frames live on, and what they hold"


def test_a_deny_list_with_a_slip_says_so(bench):
    spec = replace(SPEC, options=replace(SPEC.options, deny=("10.0.0.0/33",)))
    with pytest.raises(ListenerError, match=r"10\.0\.0\.0/33"):
        start_listener(spec, bench.recorder)


def test_a_list_of_proxies_with_a_slip_says_so(bench):
    spec = replace(SPEC, options=replace(SPEC.options, trusted_proxies=("0.0.0.0/0",)))
    with pytest.raises(ListenerError, match="believe every client"):
        start_listener(spec, bench.recorder)


def test_accepted_sockets_send_without_delay():
    """Two small writes and Nagle's algorithm cost 40 ms a request."""
    listening = bind("127.0.0.1", 0, 8)
    with socket.create_connection(listening.getsockname(), timeout=10):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    listening.close()
