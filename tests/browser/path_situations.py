"""Real load that holds requests in a stage known beforehand: clients of every kind, in threads."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from servescope.records.listeners import ConcurrencyModel, ListenerOverrides

if TYPE_CHECKING:
    from collections.abc import Callable

    Visit = Callable[["Clients", socket.socket], None]

WSGI = "tests.browser.path_apps:app"
ASGI = "tests.browser.path_apps:asgi_app"
BACKLOG = 16
BODY_BYTES = 6
SEND_PAUSE_S = 0.12
READ_BYTES = 262_144
READ_PAUSE_S = 0.08
STALL_S = 60.0
CLIENT_TIMEOUT_S = 90.0

TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


class Clients:
    """Threads that visit an address one request after the other, until `stop`."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def start(
        self,
        number: int,
        visit: Callable[[Clients, socket.socket], None],
        port: int,
        *,
        tls: bool = False,
    ) -> None:
        for _ in range(number):
            thread = threading.Thread(target=self._visit_on, args=(visit, port, tls), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Break all connections off, and wait for the threads."""
        self._is_over.set()
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(CLIENT_TIMEOUT_S)

    def pause(self, seconds: float) -> None:
        self._is_over.wait(seconds)

    def _visit_on(
        self, visit: Callable[[Clients, socket.socket], None], port: int, tls: bool
    ) -> None:
        while not self._is_over.is_set():
            with socket.socket() as sock, suppress(OSError):
                self._sockets.add(sock)
                try:
                    # Little room, so that a slow reader is noticed soon.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                    sock.settimeout(CLIENT_TIMEOUT_S)
                    sock.connect(("127.0.0.1", port))
                    if not tls:
                        visit(self, sock)
                        continue
                    with TRUSTING.wrap_socket(sock) as secured:
                        self._sockets.add(secured)
                        visit(self, secured)
                        self._sockets.discard(secured)
                finally:
                    self._sockets.discard(sock)


def get(path: str, _clients: Clients, sock: socket.socket) -> None:
    """One request, read to its end."""
    _send_get(sock, path)
    while sock.recv(READ_BYTES):
        pass


def get_now_and_then(path: str, clients: Clients, sock: socket.socket) -> None:
    get(path, clients, sock)
    clients.pause(SEND_PAUSE_S)


def post_slowly(path: str, clients: Clients, sock: socket.socket) -> None:
    """A body that takes BODY_BYTES pauses to arrive."""
    sock.sendall(
        b"POST %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        % (path.encode(), BODY_BYTES)
    )
    for _ in range(BODY_BYTES):
        clients.pause(SEND_PAUSE_S)
        sock.sendall(b"b")
    while sock.recv(READ_BYTES):
        pass


def send_head_slowly(clients: Clients, sock: socket.socket) -> None:
    """A head of which the last field takes its time."""
    for part in (b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Connection: ", b"close\r\n", b"\r\n"):
        sock.sendall(part)
        clients.pause(SEND_PAUSE_S)
    while sock.recv(READ_BYTES):
        pass


def stall_in_body(clients: Clients, sock: socket.socket) -> None:
    """A body that does not come."""
    sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    clients.pause(STALL_S)


def read_slowly(path: str, clients: Clients, sock: socket.socket) -> None:
    """A large response, taken bit by bit."""
    _send_get(sock, path)
    while sock.recv(READ_BYTES):
        clients.pause(READ_PAUSE_S)


def read_nothing(path: str, clients: Clients, sock: socket.socket) -> None:
    """A response of which nothing is read."""
    _send_get(sock, path)
    clients.pause(STALL_S)


def _send_get(sock: socket.socket, path: str) -> None:
    sock.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())


class Load(NamedTuple):
    """So many clients, each of which visits so."""

    number: int
    visit: Visit


@dataclass(frozen=True)
class Situation:
    """A listener of its own, the load on it, and what its picture must show.

    `holds` is the stage that must be marked, "" for none; `says` stands in the finding beside it;
    `states`: stages, and the states that they must have.
    """

    model: ConcurrencyModel
    app: str
    loads: tuple[Load, ...]
    holds: str
    says: str = ""
    states: dict[str, str] = field(default_factory=dict)
    threads: int = 8
    tls: bool = False

    @property
    def overrides(self) -> ListenerOverrides:
        return ListenerOverrides(
            is_added=True, app=self.app, port=0, model=self.model, threads=self.threads, workers=2
        )

    def begin(self, clients: Clients, port: int) -> None:
        for number, visit in self.loads:
            clients.start(number, visit, port, tls=self.tls)


POOL = ConcurrencyModel.THREAD_POOL
LOOP = ConcurrencyModel.ASYNCIO
SEQUENTIAL = ConcurrencyModel.SEQUENTIAL
PREFORK = ConcurrencyModel.PREFORK


def load(number: int, visit: Callable[..., None], *path: str) -> Load:
    return Load(number, partial(visit, *path))


NONE_ENDED = ", on average of the last 5 s; none has ended"
SITUATIONS: dict[str, Situation] = {
    "slow-app-with-free-threads": Situation(
        POOL, WSGI, (load(3, get, "/slow"),), "app", "in the app, until its response head was ready"
    ),
    "all-threads-busy": Situation(
        POOL,
        WSGI,
        (load(20, get, "/slow"),),
        "queue",
        "8 of 8 request threads are busy, most of the time in the app",
        {"workers": "bad"},
    ),
    "all-threads-busy-and-nobody-waits": Situation(
        POOL, WSGI, (load(2, get, "/slow"),), "app", "in the app", {"workers": "warn"}, threads=2
    ),
    "slow-sender-of-bodies": Situation(
        POOL, WSGI, (load(4, post_slowly, "/"),), "read", "the clients sent slowly"
    ),
    "slow-sender-of-heads": Situation(
        POOL, WSGI, (load(4, send_head_slowly),), "read", "the clients sent slowly"
    ),
    "bodies-that-do-not-come": Situation(
        POOL, WSGI, (load(3, stall_in_body),), "read", f"that it still reads{NONE_ENDED}"
    ),
    "app-that-hangs": Situation(
        POOL, WSGI, (load(3, get, "/hang"),), "app", f"in the app{NONE_ENDED}"
    ),
    "slow-body-generator": Situation(
        POOL, WSGI, (load(3, get, "/slow-body"),), "body", "for the app to make the response body"
    ),
    "slow-reader-of-a-large-response": Situation(
        POOL, WSGI, (load(3, read_slowly, "/large"),), "write", "for their clients to take them"
    ),
    "clients-that-read-nothing": Situation(
        POOL,
        WSGI,
        (load(3, read_nothing, "/large"),),
        "write",
        f"it still writes{NONE_ENDED}",
    ),
    "slow-senders-and-more-slow-readers": Situation(
        POOL,
        WSGI,
        (load(2, post_slowly, "/"), load(6, read_slowly, "/large")),
        "write",
        "for their clients to take them",
    ),
    "threads-held-by-slow-readers": Situation(
        POOL,
        WSGI,
        (load(2, read_nothing, "/stream"), load(9, get, "/")),
        "queue",
        "2 of 2 request threads are busy, most of the time with clients that take the response",
        {"workers": "bad"},
        threads=2,
    ),
    "full-accept-queue": Situation(
        SEQUENTIAL,
        WSGI,
        (load(BACKLOG + 12, get, "/slow"),),
        "kernel",
        "its one thread serves one connection at a time, most of the time in the app",
        {"kernel": "bad"},
    ),
    "sequential-behind-a-slow-sender": Situation(
        SEQUENTIAL,
        WSGI,
        (load(4, post_slowly, "/"),),
        "kernel",
        "one connection at a time, most of the time to read what its client sends",
    ),
    "sequential-with-one-client": Situation(
        SEQUENTIAL, WSGI, (load(1, get, "/slow"),), "app", "in the app", {"workers": "warn"}
    ),
    "prefork-workers-all-busy": Situation(
        PREFORK,
        WSGI,
        (load(14, get, "/slow"),),
        "queue",
        "4 of 4 request threads are busy",
        {"workers": "bad"},
        threads=2,
    ),
    "loop-with-a-slow-app": Situation(LOOP, ASGI, (load(12, get, "/slow"),), "app", "in the app"),
    "blocked-loop": Situation(
        LOOP, ASGI, (load(8, get, "/block"),), "kernel", "its event loop comes to them late"
    ),
    "loop-with-a-slow-body": Situation(
        LOOP, ASGI, (load(3, get, "/slow-body"),), "body", "to make the response body"
    ),
    "loop-with-slow-readers": Situation(
        LOOP, ASGI, (load(3, read_slowly, "/large"),), "write", "for their clients to take them"
    ),
    "loop-with-a-slow-upload": Situation(
        LOOP, ASGI, (load(3, post_slowly, "/upload"),), "app", "in the app"
    ),
    "loop-whose-threads-are-busy": Situation(
        LOOP,
        WSGI,
        (load(8, get, "/slow"),),
        "queue",
        "2 of 2 request threads are busy",
        {"workers": "bad"},
        threads=2,
    ),
    "light-load": Situation(POOL, WSGI, (load(1, get_now_and_then, "/"),), "", "No stage holds"),
    "idle": Situation(POOL, WSGI, (), "", "No request ended, and no stage holds any back"),
}
"""By the name of the listener. All at a time: none of them computes."""

TLS = Situation(POOL, WSGI, (load(3, get, "/slow"),), "app", "in the app", tls=True)
"""On the listener `wsgi`, whose settings name a certificate."""

COMPUTING = Situation(
    LOOP, ASGI, (load(6, get, "/compute"),), "kernel", "its event loop comes to them late"
)
"""Alone: a loop that computes has every listener of its process wait for the interpreter."""
