"""IPv6 and unix sockets, in every concurrency model, over real sockets."""

from __future__ import annotations

import http.client
import shutil
import socket
import stat
import subprocess
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from servescope.errors import ListenerError
from servescope.records.listeners import SELF_SIGNED, AppKind, ListenerOptions, ListenerSpec
from servescope.request_fields import RequestFlag
from servescope.sampling.inet_diag import listening_sockets
from servescope.serving import start_listener
from servescope.serving.models import REGISTRY
from servescope.sockets.unix import MAX_PATH_BYTES
from tests.contracts.harness import APPS, ModelHarness, wait_until
from tests.serving.raw_client import CLOSING, GET, asking, read_all, read_responses
from tests.serving.tls_client import trusting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servescope.serving import RunningListener


@pytest.fixture(params=list(REGISTRY))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModelHarness]:
    harness = ModelHarness(tmp_path, request.param, AppKind.WSGI)
    yield harness
    harness.close()


def start_at(
    harness: ModelHarness, address: str, app=APPS[AppKind.WSGI], kind=AppKind.WSGI, **options
) -> RunningListener:
    options = {"threads": 2, "workers": harness.workers, **options}
    spec = ListenerSpec(
        "it", address, 0, harness.model, kind, app, options=ListenerOptions(**options)
    )
    listener = start_listener(spec, harness.recorder)
    harness.listeners.append(listener)
    return listener


def ask(address: tuple[str, int], path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(*address, timeout=20)) as client:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()


def own_addresses(port: int) -> set[str]:
    """The addresses at which this process listens on the port."""
    return {
        held.laddr.ip
        for held in psutil.Process().net_connections("tcp")
        if held.status == psutil.CONN_LISTEN and held.laddr.port == port
    }


@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_ipv6_is_served_and_its_peers_are_told(harness, address):
    listener = start_at(harness, address)
    assert listener.address[0] == "::1"
    assert ask(listener.address, "/environ?REMOTE_ADDR") == (200, "::1")
    assert ask(listener.address, "/environ?SERVER_NAME") == (200, "::1")
    port = listener.address[1]
    with httpx.Client() as client:
        assert client.get(f"http://[::1]:{port}/environ?HTTP_HOST").text == f"[::1]:{port}"
    # Not by a connection to 127.0.0.1: another process may listen on the same port there.
    assert own_addresses(port) == {"::1"}


def test_all_of_ipv6_takes_ipv4_as_well_and_tells_its_peers_as_such(harness):
    listener = start_at(harness, "::")
    port = listener.address[1]
    assert ask(("127.0.0.1", port), "/environ?REMOTE_ADDR") == (200, "127.0.0.1")
    assert ask(("::1", port), "/environ?REMOTE_ADDR") == (200, "::1")


def test_access_lists_hold_for_both_families_of_a_dual_listener(harness):
    listener = start_at(harness, "::", deny=("::1",))
    port = listener.address[1]
    assert ask(("::1", port), "/")[0] == 403
    assert ask(("127.0.0.1", port), "/")[0] == 200
    listener = start_at(harness, "::", allow=("::1",))
    port = listener.address[1]
    assert ask(("::1", port), "/")[0] == 200
    assert ask(("127.0.0.1", port), "/")[0] == 403


# Unix sockets.


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.sock"


@contextmanager
def connect_unix(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        yield sock


def test_a_unix_socket_is_served(harness, path):
    listener = start_at(harness, f"unix:{path}")
    assert listener.address == (f"unix:{path}", 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with connect_unix(path) as sock:
        sock.sendall(b"".join(asking(b"/%d" % i, GET) for i in range(20)))
        assert read_responses(sock, 20) == [(200, b"hello from /%d" % i) for i in range(20)]
        for key, value in (
            (b"REMOTE_ADDR", b""),
            (b"SERVER_NAME", b"localhost"),
            (b"SERVER_PORT", b"80"),
        ):
            sock.sendall(asking(b"/environ?" + key, GET))
            assert read_responses(sock, 1) == [(200, value)]
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.post("http://any/echo", content=b"x" * 300_000).content == b"x" * 300_000
    curl = shutil.which("curl")
    assert curl is not None
    told = subprocess.run(
        [curl, "-sS", "--unix-socket", str(path), "http://any/c"],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (told.stdout, told.stderr) == (b"hello from /c", b"")
    records = harness.records(25)
    assert (records["flags"] & RequestFlag.NEW_CONNECTION).astype(bool).sum() == 3
    listener.stop(1)
    assert not path.exists()


def test_a_unix_socket_behind_tls_is_served(harness, path, tmp_path):
    start_at(harness, f"unix:{path}", certificate=SELF_SIGNED)
    transport = httpx.HTTPTransport(uds=str(path), verify=trusting(tmp_path))
    with httpx.Client(transport=transport) as client:
        assert client.get("https://localhost/environ?SERVER_PORT").text == "443"


def test_a_file_is_served_at_a_unix_socket(harness, path, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "large.bin").write_bytes(bytes(range(256)) * 12_000)
    start_at(harness, f"unix:{path}", str(folder), AppKind.STATIC)
    with connect_unix(path) as sock:
        sock.sendall(asking(b"/large.bin", GET))
        assert read_responses(sock, 1) == [(200, bytes(range(256)) * 12_000)]


def test_addresses_denied_do_not_touch_a_unix_socket(harness, path):
    start_at(harness, f"unix:{path}", allow=("192.0.2.1",))
    with connect_unix(path) as sock:
        sock.sendall(CLOSING)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_a_stop_lets_the_request_in_flight_at_a_unix_socket_finish(harness, path):
    listener = start_at(harness, f"unix:{path}", workers=2)
    with connect_unix(path) as sock:
        sock.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the app")
        stop = threading.Thread(target=listener.stop, args=(10,))
        stop.start()
        wait_until(lambda: not listener.is_running, "the stop")
        harness.leave()
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")
        stop.join(10)


def test_the_file_of_a_dead_server_is_replaced(harness, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    start_at(harness, f"unix:{path}")
    with connect_unix(path) as sock:
        sock.sendall(CLOSING)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_a_live_server_keeps_its_file(harness, path):
    first = start_at(harness, f"unix:{path}")
    with pytest.raises(ListenerError, match=f"another server listens at {path}"):
        start_at(harness, f"unix:{path}")
    with connect_unix(path) as sock:
        sock.sendall(CLOSING)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")
    first.stop(1)
    start_at(harness, f"unix:{path}")


def test_what_is_no_socket_is_left_alone(harness, path):
    path.write_text("dear")
    with pytest.raises(ListenerError, match="is no socket"):
        start_at(harness, f"unix:{path}")
    assert path.read_text() == "dear"


def test_a_file_that_took_the_sockets_place_stays(harness, path):
    listener = start_at(harness, f"unix:{path}")
    path.unlink()
    path.write_text("another's")
    listener.stop(1)
    assert path.read_text() == "another's"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("unix:it.sock", "is not absolute"),
        ("unix:", "is not absolute"),
        ("unix:/" + "x" * MAX_PATH_BYTES, "longer than 107 bytes"),
        ("unix:/proc/none/it.sock", "cannot listen at /proc/none/it.sock: No such file"),
    ],
)
def test_a_path_that_cannot_be_is_told(harness, address, told):
    threads = threading.active_count()
    with pytest.raises(ListenerError, match=told):
        start_at(harness, address)
    assert threading.active_count() == threads


def test_the_backlog_is_the_kernels(harness):
    listener = start_at(harness, "127.0.0.1", backlog=7)
    rows = {row.port: row.backlog for row in listening_sockets()}
    assert rows[listener.address[1]] == 7
