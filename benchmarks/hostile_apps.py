"""Run the hostile apps of tests/contracts on other servers.

Each server runs as its own process on a free port, with one worker, four threads where it has any,
and the versions installed from requirements-bench.txt (gunicorn comes with requirements.txt). Each
case is asked for with the next request behind it, in one write with the next one, alone, and
`REPEATS` times, more than there are threads; then the process may hold no more descriptors,
threads and tasks than before.
A server that no longer answers is started anew for the next case. Prints the Markdown table of
docs/server.md, and what each server did with the cases it did not pass. About five minutes, most of
it waiting.
Run: python benchmarks/hostile_apps.py [NAME_OF_A_SERVER …]
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from corpus_peers import row, start, version  # noqa: E402 - the path comes first

from tests.contracts import (  # noqa: E402 - the same
    hostile_asgi_apps,
    hostile_wsgi_apps,
)
from tests.contracts.hostile_cases import Kind  # noqa: E402 - the same
from tests.contracts.hostile_client import Harm, Trial, census  # noqa: E402 - the same
from tests.processes import children  # noqa: E402 - the same

if TYPE_CHECKING:
    import subprocess

    from tests.contracts.hostile_cases import Case

THREADS = 4
ANSWER_S = 5.0
"""How long an answer may take; the apps take no time."""

MANY = 10**9
"""Objects are not counted here: each server caches other things."""

REPEATS = 6
HARMS = list(Harm)
OWN = [sys.executable, __file__, "--serve"]
WSGI = "tests.contracts.hostile_wsgi_apps:app"
ASGI = "tests.contracts.hostile_asgi_apps:app"
PEERS: dict[str, list[str]] = {
    "Servescope thread_pool (WSGI)": [*OWN, "thread_pool", "PORT"],
    f"{version('gunicorn')} (gthread, WSGI)": [
        sys.executable, "-m", "gunicorn", WSGI, "-k", "gthread", "--threads", str(THREADS),
        "--no-control-socket", "--log-level", "critical", "-b", "127.0.0.1:PORT",
    ],
    f"{version('waitress')} (WSGI)": [
        sys.executable, "-m", "waitress", f"--threads={THREADS}", "--listen=127.0.0.1:PORT", WSGI,
    ],
    f"{version('granian')} (WSGI)": [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "critical",
        "--blocking-threads", str(THREADS), "--host", "127.0.0.1", "--port", "PORT", WSGI,
    ],
    "Servescope asyncio (ASGI)": [*OWN, "asyncio", "PORT"],
    f"{version('uvicorn')} (ASGI)": [
        sys.executable, "-m", "uvicorn", ASGI, "--http", "httptools", "--loop", "uvloop",
        "--interface", "asgi3", "--log-level", "critical", "--port", "PORT",
    ],
    f"{version('granian')} (ASGI)": [
        sys.executable, "-m", "granian", "--interface", "asgi", "--log-level", "critical",
        "--host", "127.0.0.1", "--port", "PORT", ASGI,
    ],
}  # fmt: skip


def serve(model: str, port: int) -> None:
    """Serve with Servescope, until SIGTERM."""
    from servescope.recording.recorder import Recorder
    from servescope.records.listeners import (
        AppKind,
        ConcurrencyModel,
        ListenerOptions,
        ListenerSpec,
    )
    from servescope.serving import start_listener

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    kind, app = (AppKind.ASGI, ASGI) if model == "asyncio" else (AppKind.WSGI, WSGI)
    options = ListenerOptions(threads=THREADS)
    spec = ListenerSpec(
        "peer", "127.0.0.1", port, ConcurrencyModel(model), kind, app, options=options
    )
    with tempfile.TemporaryDirectory() as folder:
        listener = start_listener(spec, Recorder(Path(folder)))
        signal.sigwait({signal.SIGTERM})
        listener.stop()


class Peer:
    """A server that hosts a catalogue, and what it did with it."""

    def __init__(self, command: list[str], folder: str) -> None:
        self._command = command
        self._folder = folder
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.right: Counter[Kind] = Counter()
        self.harm: Counter[Harm] = Counter()
        self.faults: dict[str, str] = {}

    def connect(self) -> socket.socket:
        """A new connection (see Target)."""
        return socket.create_connection(("127.0.0.1", self._port), ANSWER_S)

    def try_all(self, cases: list[Case]) -> None:
        """One case after the other."""
        for case in cases:
            if self._process is None:
                self._port, self._process = start(self._command, self._folder)
                census(self, "settle")
            trial = Trial(case, self, MANY)
            trial.run(REPEATS)
            if trial.faults:
                self.harm[max((fault.harm for fault in trial.faults), key=HARMS.index)] += 1
                self.faults[case.name] = "; ".join(map(str, trial.faults))
                self.end()  # the next case is judged by itself
            else:
                self.right[case.kind] += 1
        self.end()

    def end(self) -> None:
        """End its processes."""
        if self._process is not None:
            for pid in (self._process.pid, *children(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def cases_of(name: str) -> list[Case]:
    """The catalogue that a server hosts."""
    module = hostile_wsgi_apps if "WSGI" in name else hostile_asgi_apps
    return list(module.CASES.values())


def report(peers: dict[str, Peer]) -> None:
    """Print the table, and what was not right."""
    totals = {name: Counter(case.kind for case in cases_of(name)) for name in peers}
    print(row("kind of app", list(peers)))
    print(row("---", ["---"] * len(peers)))
    for kind in Kind:
        cells = [
            f"{peer.right[kind]} of {totals[name][kind]}" if totals[name][kind] else ""
            for name, peer in peers.items()
        ]
        print(row(kind, cells))
    cells = [f"{one.right.total()} of {totals[name].total()}" for name, one in peers.items()]
    print(row("**all**", cells))
    print("\n" + row("of the others", list(peers)))
    print(row("---", ["---"] * len(peers)))
    for harm in HARMS:
        print(row(harm, [str(peer.harm[harm]) for peer in peers.values()]))
    for name, peer in peers.items():
        print(f"\n{name}")
        for case, fault in peer.faults.items():
            print(f"  {case}: {fault[:200]}")


def main() -> None:
    """Ask the servers side by side, or serve when told so."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        peers = {
            name: Peer(command, folder)
            for name, command in PEERS.items()
            if not wanted or any(word in name for word in wanted)
        }
        threads = [
            threading.Thread(target=peer.try_all, args=(cases_of(name),), name=name)
            for name, peer in peers.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report(peers)


if __name__ == "__main__":
    main()
