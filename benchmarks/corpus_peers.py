"""Answers of other servers to the corpus of tests/corpus, and to slow or leaving clients.

Each server runs as its own process on a free port, in the versions installed from
requirements-bench.txt (gunicorn comes with requirements.txt). Prints the Markdown tables of
docs/server.md and, for each server, the names of the requests it should have refused. About 80 s,
most of it waiting.
Run: python benchmarks/corpus_peers.py
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from servescope.wire.http1_rules import Rule  # noqa: E402 - the path comes first
from tests.corpus.corpus_answers import methods_of, read_answers  # noqa: E402 - the same
from tests.corpus.corpus_apps import asgi_echo, wsgi_echo  # noqa: E402 - the same
from tests.corpus.http_cases import Case, load_cases  # noqa: E402 - the same

SIZES = {"TARGET_LENGTH", "HEAD_SIZE", "HEADER_COUNT", "BODY_SIZE", "CHUNK_OVERHEAD"}
"""Rules about limits: each server has its own."""

ANSWER_S = 1.5
"""How long to wait for an answer; the apps take no time."""

SLOW_S = 35.0
"""How long half a head and half a body wait for an end."""

CROWD = 200
APP_S = 1.0

FEATURES = {
    "20 requests in one write, answered in order": "pipeline-of-many",
    "content in chunks": "chunked",
    "trailer fields behind chunks": "chunk-trailer",
    "an empty line before a request": "empty-line-before",
    "a target in absolute-form": "absolute-form",
    "`OPTIONS *`": "asterisk-form",
}
"""Features that are one valid case of the corpus."""

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
HALF_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"
ASKING = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
BAD_AND_LONG = b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + b"x" * 1_000_000
TRIES = 5
OK = 200
SLOW_APP = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Echo; `/slow` takes its time."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(APP_S)
    return wsgi_echo(environ, start_response)


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo; `/slow` takes its time."""
    if scope["type"] == "http" and scope["path"] == "/slow":
        await asyncio.sleep(APP_S)
    await asgi_echo(scope, receive, send)


class Handler(BaseHTTPRequestHandler):
    """The least a handler of http.server does: read what Content-Length says, answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer any method."""
        if self.path == "/slow":
            time.sleep(APP_S)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
    setattr(Handler, f"do_{method}", Handler.do_GET)


def serve(kind: str, port: int) -> None:
    """Serve with http.server or with Servescope, until SIGTERM."""
    if kind == "http.server":
        ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
        return
    from servescope.recording.recorder import Recorder
    from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
    from servescope.serving import start_listener

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    app_kind = AppKind.ASGI if kind == "asyncio" else AppKind.WSGI
    app = f"corpus_peers:{app_kind.value}"
    spec = ListenerSpec("peer", "127.0.0.1", port, ConcurrencyModel(kind), app_kind, app)
    with tempfile.TemporaryDirectory() as folder:
        listener = start_listener(spec, Recorder(Path(folder)))
        signal.sigwait({signal.SIGTERM})
        listener.stop()


def version(package: str) -> str:
    """`package 1.2`."""
    return f"{package} {importlib.metadata.version(package)}"


OWN = [sys.executable, __file__, "--serve"]
PEERS: dict[str, list[str]] = {
    "Servescope thread_pool": [*OWN, "thread_pool", "PORT"],
    "Servescope asyncio": [*OWN, "asyncio", "PORT"],
    f"{version('uvicorn')} (httptools)": [
        sys.executable, "-m", "uvicorn", "corpus_peers:asgi", "--http", "httptools",
        "--loop", "uvloop", "--log-level", "critical", "--port", "PORT",
    ],
    f"{version('gunicorn')} (gthread)": [
        sys.executable, "-m", "gunicorn", "corpus_peers:wsgi", "-k", "gthread", "--threads", "4",
        "--no-control-socket", "--log-level", "critical", "-b", "127.0.0.1:PORT",
    ],
    version("waitress"): [
        sys.executable, "-m", "waitress", "--listen=127.0.0.1:PORT", "corpus_peers:wsgi",
    ],
    f"http.server {platform.python_version()}": [*OWN, "http.server", "PORT"],
    f"{version('granian')} (asgi)": [
        sys.executable, "-m", "granian", "--interface", "asgi", "--log-level", "critical",
        "--host", "127.0.0.1", "--port", "PORT", "corpus_peers:asgi",
    ],
}  # fmt: skip


@dataclass(slots=True)
class Found:
    """The results of one server."""

    refused: Counter[str] = field(default_factory=Counter)  # by rule, where that is a duty
    declined: Counter[str] = field(default_factory=Counter)  # by rule, where that is a choice
    accepted: set[str] = field(default_factory=set)
    let_in: list[str] = field(default_factory=list)
    valid_unanswered: list[str] = field(default_factory=list)
    smuggled: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    traits: dict[str, str] = field(default_factory=dict)


async def ask(port: int, data: bytes, wait_s: float, enough: int = 99) -> tuple[bytes, float]:
    """The answer, and after how long the connection ended; infinity when it did not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    received, ended_s = b"", float("inf")
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(wait_s):
            writer.write(data)
            while part := await reader.read(65_536):
                received += part
                if received.count(b"HTTP/1.1 ") >= enough:
                    break
            else:
                ended_s = time.monotonic() - began
    writer.close()
    return received, ended_s


async def try_case(port: int, case: Case, found: Found) -> None:
    """One request of the corpus."""
    received, ended_s = await ask(port, case.sent, ANSWER_S)
    try:
        seen, _ = read_answers(received, methods_of(case))
    except ValueError:
        seen = []
    good = sum(200 <= one.status < 300 for one in seen)
    wanted = sum(200 <= one.status < 300 for one in case.answers)
    if not case.is_refused:
        content = [one.content for one in seen if one.status == OK]
        if content == [b"" if x.method == "HEAD" else x.body for x in case.answers]:
            found.accepted.add(case.name)
        else:
            found.valid_unanswered.append(case.name)
        return
    if case.topic == "09_smuggling" and good > 1:
        found.smuggled.append(case.name)
    rule = rule_of(case)
    if case.is_choice:
        found.declined[rule] += good <= wanted
        return
    if good > wanted:
        found.let_in.append(case.name)
        return
    found.refused[rule] += 1
    if len(seen) <= wanted and ended_s == float("inf"):
        found.unanswered.append(case.name)


def rule_of(case: Case) -> str:
    """The rule a case breaks."""
    return next(answer.rule for answer in case.answers if answer.rule)


async def measure_features(port: int, found: Found) -> None:
    """The features that no case of the corpus shows."""
    for title, name in FEATURES.items():
        found.traits[title] = "yes" if name in found.accepted else "no"
    answer, _ = await ask(port, ASKING, ANSWER_S, enough=1)
    asked = answer.startswith(b"HTTP/1.1 100 ")
    found.traits["`100 Continue` for who asks"] = "yes" if asked else "no"
    seen = [await ask(port, BAD_AND_LONG, ANSWER_S) for _ in range(TRIES)]
    told = sum(answer.startswith(b"HTTP/1.1 400 ") for answer, _ in seen)
    found.traits["a 400 reaches a client that still sends 1 MB"] = f"{told} of {TRIES}"


async def measure(port: int, cases: list[Case], found: Found) -> None:
    """All of the corpus, 32 requests at a time; then the slow clients."""
    places = asyncio.Semaphore(32)

    async def one(case: Case) -> None:
        async with places:
            await try_case(port, case, found)

    await asyncio.gather(*(one(case) for case in cases))
    await measure_features(port, found)
    head, body = await asyncio.gather(ask(port, HALF_HEAD, SLOW_S), ask(port, HALF_BODY, SLOW_S))
    found.traits["half a head is ended"] = _told(*head)
    found.traits["half a body is ended"] = _told(*body)
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CROWD)]
    for _, writer in crowd:
        writer.write(HALF_HEAD)
    answer, _ = await ask(port, GET, 3.0)
    found.traits[f"answers beside {CROWD} half heads"] = "yes" if b" 200 " in answer else "no"
    for _, writer in crowd:
        writer.close()


def _told(received: bytes, ended_s: float) -> str:
    if ended_s == float("inf"):
        return f"not in {SLOW_S:.0f} s"
    status = received.split(b" ", 2)[1].decode() if received else "no answer"
    return f"{status} after {ended_s:.0f} s"


async def measure_stop(port: int, process: subprocess.Popen[bytes], found: Found) -> None:
    """SIGTERM in the middle of a request."""
    asking = asyncio.create_task(ask(port, SLOW_APP, 6.0, enough=1))
    await asyncio.sleep(APP_S / 3)
    began = time.monotonic()
    process.terminate()
    answer, _ = await asking
    found.traits["SIGTERM in a request"] = "answered" if b" 200 " in answer else "dropped"
    try:
        await asyncio.to_thread(process.wait, 10)
        took = f"{time.monotonic() - began:.1f} s"
    except subprocess.TimeoutExpired:
        took = "not in 10 s"
    found.traits["ended after SIGTERM"] = took


def start(command: list[str], folder: str) -> tuple[int, subprocess.Popen[bytes]]:
    """Start a server on a free port and wait until it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    path = os.pathsep.join((str(ROOT / "benchmarks"), str(ROOT)))
    process = subprocess.Popen(
        [part.replace("PORT", str(port)) for part in command],
        cwd=folder,  # no gunicorn.conf.py there
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return port, process
        time.sleep(0.05)  # until the next try to connect
    process.kill()
    raise RuntimeError(f"{command} does not listen")


async def measure_all(cases: list[Case]) -> dict[str, Found]:
    """All servers, side by side."""
    results = {name: Found() for name in PEERS}
    with tempfile.TemporaryDirectory() as folder:
        running = {name: start(command, folder) for name, command in PEERS.items()}
        try:
            await asyncio.gather(
                *(measure(running[name][0], cases, results[name]) for name in PEERS)
            )
            await asyncio.gather(*(measure_stop(*running[name], results[name]) for name in PEERS))
        finally:
            for _, process in running.values():
                process.kill()
                process.wait()
    return results


def row(name: str, cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {name} | {' | '.join(cells)} |"


def both(duty: int, choice: int, choices: int) -> str:
    """`3`, or `3 + 1` where some are a matter of choice."""
    return f"{duty} + {choice}" if choices else str(duty)


def report(cases: list[Case], results: dict[str, Found]) -> None:
    """Print the tables."""
    refused = [case for case in cases if case.is_refused]
    must = Counter(rule_of(case) for case in refused if not case.is_choice)
    may = Counter(rule_of(case) for case in refused if case.is_choice)
    valid = len(cases) - len(refused)
    print(row("rule", ["requests", *results]))
    print(row("---", ["---", *["---"] * len(results)]))
    for rule in Rule:
        if rule.name in must | may:
            status, sentence = rule.value
            counts = [(one.refused, one.declined) for one in results.values()]
            cells = [both(a[rule.name], b[rule.name], may[rule.name]) for a, b in counts]
            asked = both(must[rule.name], may[rule.name], may[rule.name])
            print(row(f"{status} {sentence}", [asked, *cells]))
    totals = [str(one.refused.total()) for one in results.values()]
    print(row("**refused, where that is a duty**", [str(must.total()), *totals]))
    totals = [str(len(one.unanswered)) for one in results.values()]
    print(row("of these kept waiting without an answer", ["", *totals]))
    totals = [str(len(one.smuggled)) for one in results.values()]
    print(row("answered a request hidden in another", ["", *totals]))
    totals = [str(len(one.accepted)) for one in results.values()]
    print(row("**requests that should be answered, and were**", [str(valid), *totals]))
    print()
    print(row("feature", list(results)))
    print(row("---", ["---"] * len(results)))
    for trait in next(iter(results.values())).traits:
        print(row(trait, [one.traits.get(trait, "-") for one in results.values()]))
    for name, one in results.items():
        print(f"\n{name}\n  let in: {', '.join(one.let_in) or '-'}")
        print(f"  hidden requests answered: {', '.join(one.smuggled) or '-'}")
        print(f"  valid, not answered: {', '.join(one.valid_unanswered) or '-'}")


def main() -> None:
    """Measure, or serve when told so."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    cases = [
        case
        for case in load_cases()
        if case.app == "echo"
        and case.end != "waiting"
        and case.topic != "08_limits"
        and not any(answer.rule in SIZES for answer in case.answers)
    ]
    report(cases, asyncio.run(measure_all(cases)))


if __name__ == "__main__":
    main()
