"""The corpus through every concurrency model, over real sockets: whole, by bytes, with more behind.

Many connections at a time from one event loop. A byte by itself is a send by itself; how the kernel
joins them is its own affair. An end that is no clean one (a reset) fails: the client must see the
answer before the close (RFC 9112 section 9.6).
"""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import TYPE_CHECKING

import pytest

from servescope.recording.recorder import Recorder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import RunningListener, start_listener
from servescope.serving.models import REGISTRY
from tests.corpus.corpus_answers import SWITCHING, differences, methods_of, read_answers
from tests.corpus.corpus_apps import LIMITS, make_folder
from tests.corpus.http_cases import Case, load_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

APPS = "tests.corpus.corpus_apps:"
PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
CASES = load_cases()
AT_A_TIME = 48
MOST_SENDS = 400
"""Longer streams are sent in pieces of a few bytes."""

SECONDS = 15
KINDS = {
    "wsgi": (AppKind.WSGI, {"echo"}),
    "files": (AppKind.STATIC, {"files"}),
    "asgi": (AppKind.ASGI, {"echo", "websocket"}),
}


def start(model: ConcurrencyModel, kind: AppKind, app: str, recorder: Recorder) -> RunningListener:
    options = ListenerOptions(threads=4, workers=2, **LIMITS)
    spec = ListenerSpec("corpus", "127.0.0.1", 0, model, kind, app, options=options)
    return start_listener(spec, recorder)


@pytest.fixture(scope="module", params=list(REGISTRY))
def model(request: pytest.FixtureRequest) -> ConcurrencyModel:
    return request.param


@pytest.fixture(scope="module")
def listeners(
    model: ConcurrencyModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunningListener]]:
    folder = tmp_path_factory.mktemp("corpus")
    recorder = Recorder(folder / "rings", capacity=2**12)
    apps = {
        "wsgi": APPS + "wsgi_echo",
        "files": str(make_folder(folder)),
        "asgi": APPS + "asgi_echo",
    }
    if model is not ConcurrencyModel.ASYNCIO:
        del apps["asgi"]
    running = {name: start(model, KINDS[name][0], app, recorder) for name, app in apps.items()}
    yield running
    for listener in running.values():
        listener.stop(0.2)
    recorder.close()
    gc.collect()


class Client:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self.received = b""

    async def send(self, data: bytes) -> None:
        """Send it; a server that has said its last word may be gone already."""
        try:
            await self._loop.sock_sendall(self._sock, data)
        except (BrokenPipeError, ConnectionResetError):
            return

    async def send_bytewise(self, data: bytes) -> None:
        size = max(1, len(data) // MOST_SENDS)
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            await asyncio.sleep(0)

    async def read_some(self) -> bool:
        part = await self._loop.sock_recv(self._sock, 65_536)
        self.received += part
        return bool(part)

    async def read_to_the_end(self) -> None:
        while await self.read_some():
            pass

    def end_sending(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)


async def run_case(address: tuple[str, int], case: Case, mode: str) -> str:
    """Send a case in one of the three ways; what is wrong with what came, or nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        try:
            async with asyncio.timeout(SECONDS):
                await _talk(client, case, mode)
        except (TimeoutError, ConnectionResetError) as error:
            # Bytes that come behind a last request when all is over are answered with a reset
            # (RFC 9112 section 9.6): what came before it must be whole.
            is_behind = mode == "bytes" and case.end == "closed"
            if isinstance(error, TimeoutError) or not is_behind:
                return f"{type(error).__name__} after {client.received[:80]!r}"
        return _judge(case, client.received)


async def _talk(client: Client, case: Case, mode: str) -> None:
    if mode == "trailing" and case.end != "waiting":
        await client.send(case.sent + PROBE)
    elif mode == "bytes":
        await client.send_bytewise(case.sent)
    else:
        await client.send(case.sent)
    if mode != "trailing" and case.end == "open":
        await _read_answers(client, case)
        await client.send(PROBE)
    elif case.end == "waiting" or (mode != "trailing" and case.answers[0].status == SWITCHING):
        await _read_answers(client, case)
        client.end_sending()
    await client.read_to_the_end()


async def _read_answers(client: Client, case: Case) -> None:
    """Read on until all answers of the case are there, or the connection ends."""
    while differences(case, read_answers(client.received, methods_of(case))[0]):
        if not await client.read_some():
            return


def _judge(case: Case, received: bytes) -> str:
    seen, rest = read_answers(received, methods_of(case))
    if rest and case.answers[0].status != SWITCHING:
        return f"half an answer: {rest!r}"
    if case.end == "open":
        if not seen or seen[-1].status not in (200, 404):
            return f"the connection was not kept: {[one.status for one in seen]}"
        seen.pop()
    return differences(case, seen)


async def run_all(address: tuple[str, int], cases: list[Case], mode: str, at_a_time: int) -> str:
    """Run the cases side by side; what is wrong, a line each."""
    places = asyncio.Semaphore(at_a_time)

    async def run_one(case: Case) -> str:
        async with places:
            wrong = await run_case(address, case, mode)
        return f"{case.name} ({case.section}): {wrong}" if wrong else ""

    found = await asyncio.gather(*(run_one(case) for case in cases))
    return "\n".join(line for line in found if line)


@pytest.mark.parametrize("mode", ["whole", "bytes", "trailing"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_corpus(
    model: ConcurrencyModel,
    listeners: dict[str, RunningListener],
    kind: str,
    mode: str,
    caplog: pytest.LogCaptureFixture,
):
    if kind not in listeners:
        assert model is not ConcurrencyModel.ASYNCIO, "the loop alone hosts ASGI apps"
        return
    cases = [case for case in CASES if case.app in KINDS[kind][1]]
    # This model closes a kept connection when another waits: one after the other, then.
    at_a_time = 1 if model is ConcurrencyModel.SEQUENTIAL else AT_A_TIME
    wrong = asyncio.run(run_all(listeners[kind].address, cases, mode, at_a_time))
    assert not wrong, wrong
    assert not caplog.records, "what a client does is no fault of ours"
