"""Situations made with real load, and what each page must say in them; nothing else about them.

`SITUATIONS` is the table. Each makes its load against a listener of its own, whose name stands in
the sentences; `docs/findings.md` lists them.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, ClassVar, Self

import websockets.sync.client

from servescope.findings.clocks import NOISE_S
from servescope.findings.moment import FEWEST_FOR_P95
from servescope.recording.record_layout import request_key
from servescope.recording.recorder import RINGS, Recorder
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel, ListenerState
from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.request_fields import Method, Protocol
from tests.commands.served import Served
from tests.processes import eventually
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

APP = "tests.browser.situation_apps:app"
LOOP_APP = "servescope.demo.asgi_app:app"
BACKLOG = 16
THREADS = 8
WITHIN_S = 60
"""How long a busy machine may take over anything."""

BODY = b"0123456789"
SLOW_CLIENT_S = 1.2
PATIENCE_S = 0.1

HOST = frozenset({"cpu", "core", "memory", "container-cpu", "container-memory", "generator-late"})
"""Findings about the machine, which may come and go beside whatever is made here. The generator is
late when the machine wakes it late: 3 ms once are 1 in 100 of a short run's requests."""

STARVED = frozenset(
    {
        "accept-queue",
        "clocks-disagree",
        "different-requests",
        "fell-behind",
        "generator-busy",
        "generator-limited",
        "kernel-wait",
        "slow",
        "span-kernel-wait",
        "span-slow",
        "waited-to-be-sent",
    }
)
"""Findings that are true of any listener and run where other programs take the CPU time."""


class Clients:
    """Clients that each send one request after the other and wait for its answer."""

    under_way: ClassVar[list[Clients]] = []

    def __init__(
        self,
        port: int,
        path: str,
        number: int = 1,
        *,
        pause_s: float = 0.0,
        keep_alive: bool = True,
        exchange: Callable[[int, str], int] | None = None,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self._ended = threading.Event()
        self._pause_s = pause_s
        self._keep_alive = keep_alive
        self._exchange = exchange
        self._threads = [
            threading.Thread(target=self._run, args=(port, path), daemon=True)
            for _ in range(number)
        ]

    def __enter__(self) -> Self:
        self.under_way.append(self)
        for thread in self._threads:
            thread.start()
        return self

    def send_no_more(self) -> None:
        """Have each client end when its request is answered."""
        self._ended.set()

    def __exit__(self, *_: object) -> None:
        self.send_no_more()
        self.under_way.remove(self)
        for thread in self._threads:
            thread.join(WITHIN_S)

    def _run(self, port: int, path: str) -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)) as connection:
            while not self._ended.is_set():
                with suppress(OSError, HTTPException):
                    self.statuses[self._ask(connection, port, path)] += 1
                self._ended.wait(self._pause_s)

    def _ask(self, connection: HTTPConnection, port: int, path: str) -> int:
        if self._exchange is not None:
            return self._exchange(port, path)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        if not self._keep_alive:
            connection.close()
        return answer.status


def upload_slowly(port: int, path: str) -> int:
    """Send half of the content, and the rest 1.2 s later."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(BODY)}"
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as client:
        client.sendall(head.encode() + b"\r\n\r\n" + BODY[:5])
        time.sleep(SLOW_CLIENT_S)  # the pace of this client
        client.sendall(BODY[5:])
        return int(client.recv(100).split()[1])


def download_slowly(port: int, path: str) -> int:
    """Take the beginning of the answer, and the rest 1.2 s later."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(WITHIN_S)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = int(client.recv(100).split()[1])
        time.sleep(SLOW_CLIENT_S)  # the pace of this client
        while client.recv(1 << 20):
            pass
        return status


def give_up(port: int, path: str) -> int:
    """Wait for an answer as long as this client has patience for, and leave."""
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as client:
        client.settimeout(PATIENCE_S)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(client.recv(100).split()[1])


def talk(port: int, path: str) -> int:
    """Send ten messages over a WebSocket and get them back."""
    with websockets.sync.client.connect(f"ws://127.0.0.1:{port}{path}") as connection:
        for _ in range(10):
            connection.send("hello")
            assert connection.recv(WITHIN_S) == "hello"
    return 101


@dataclass
class Place:
    """The dashboard in which situations are made."""

    dashboard: Any
    control: Any
    known: dict[str, Any] = field(default_factory=dict)
    """Facts by name that a situation's sentences are held against."""

    @contextmanager
    def listener(self, name: str, app: str = APP, **overrides: Any) -> Iterator[int]:
        """A listener that is there for a while; its port."""
        listeners = self.control.listeners
        given = {"is_added": True, "app": app, "port": 0, **overrides}
        listeners.change_overrides(name, lambda before: replace(before, **given))
        try:
            yield eventually(lambda: self.dashboard.listener(name), WITHIN_S).port
        finally:
            listeners.discard_overrides(name)

    def change(self, name: str, **overrides: Any) -> None:
        """Ask for something else of a listener."""
        change = self.control.listeners.change_overrides
        change(name, lambda before: replace(before, **overrides))

    def status(self, name: str) -> Any:
        """The status of a listener, None while there is none."""
        statuses = self.control.listeners.statuses()
        return next((one for one in statuses if one.name == name), None)

    def begin_run(self, listener: str, path: str, rate: float, seconds: float, **more: Any) -> int:
        """Ask for a load run and wait until it is under way."""
        plan = LoadPlan.constant(listener, path, rate, seconds, **more)
        run_id: int = self.control.load_runs.request(plan, time.time()).id
        eventually(
            lambda: self.control.load_runs.by_id(run_id).state is not RunState.REQUESTED, WITHIN_S
        )
        return run_id

    def end_run(self, run_id: int) -> dict[str, Any]:
        """Wait for the end of a run; what its sentences are held against."""

        def ended() -> Any:
            run = self.control.load_runs.by_id(run_id)
            return run if run.state in TERMINAL_STATES else None

        run = eventually(ended, WITHIN_S)
        return {"run": run.id, "result": run.result}

    def run(self, *given: Any, **more: Any) -> dict[str, Any]:
        """A load run from its beginning to its end."""
        return self.end_run(self.begin_run(*given, **more))


@dataclass(frozen=True)
class Said:
    """A sentence: the severities it may have, its shape, and whether its figures agree with facts.

    `pattern` has named groups, which `agrees(facts, **groups)` gets as numbers, durations in
    seconds. In its place may stand a finding of one of the codes `or_else`.
    """

    severity: str
    pattern: str
    agrees: Callable[..., bool] = lambda _facts, **_figures: True
    or_else: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Situation:
    """One situation: `make(place)` is a context manager in which it lasts and which gives facts.

    `says`: page, then code of a finding, then the sentence that must stand there. `subject` is in
    every sentence that is about it, "" for situations of the dashboard as a whole; `may_say` are
    codes that can stand there as well. Those `at_once` are made together, each with a listener of
    its own; the others one after the other.
    """

    name: str
    make: Callable[[Place], Any]
    says: Mapping[str, Mapping[str, Said]]
    subject: str = ""
    may_say: frozenset[str] = frozenset()
    at_once: bool = False


DURATION = r"[\d.,]+ (?:µs|ms|s|min(?: \d+ s)?)"
SECONDS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}


def figure(text: str) -> float:
    """A number as a page writes it; a duration in seconds, `2 min 13 s` among them."""
    number, _, unit = text.replace(",", "").partition(" ")
    unit, _, part = unit.partition(" ")
    return float(number) * SECONDS.get(unit, 1.0) + (figure(part) if part else 0.0)


def matched(said: Said, text: str, facts: dict[str, Any]) -> bool:
    """Whether a sentence has this shape and figures that agree with the facts."""
    found = re.search(said.pattern, text)
    if found is None:
        return False
    figures = {name: figure(value) for name, value in found.groupdict().items() if value}
    return said.agrees(facts, **figures)


def about(value: float, expected: float, tolerance: float = 0.1) -> bool:
    """Whether a figure is another one but for its three digits and the measurement's noise."""
    return abs(value - expected) <= tolerance * expected


# --- the dashboard as a whole ---------------------------------------------------------------------


@contextmanager
def nothing(place: Place) -> Iterator[dict[str, Any]]:
    """No load at all."""
    yield {"listeners": len(place.control.listeners.statuses())}


@contextmanager
def light(place: Place) -> Iterator[dict[str, Any]]:
    """One client, five requests a second."""
    with Clients(place.dashboard.port("wsgi"), "/whoami", pause_s=0.2):
        yield {"listeners": len(place.control.listeners.statuses())}


@contextmanager
def overrun(place: Place) -> Iterator[dict[str, Any]]:
    """A process records more between two collections than its ring holds, second by second."""
    recorder = Recorder(place.dashboard.folder / RINGS, capacity=256)
    listener = recorder.listener_id("overrun")
    key = request_key(
        listener, recorder.route_id(listener, "/"), Method.GET, Protocol.HTTP_1_1, 200
    )
    ended = threading.Event()

    def record() -> None:
        while not ended.wait(0.01):
            for _ in range(20):
                recorder.record_request(time.time_ns(), key, 0, 0, 0, 0, 0, 0, 1_000.0, 0, 0)

    writer = threading.Thread(target=record, daemon=True)
    writer.start()
    yield {"written_per_s": 20 / 0.01}
    ended.set()
    writer.join()
    recorder.close()


# --- listeners under load -------------------------------------------------------------------------


@contextmanager
def saturated(place: Place) -> Iterator[dict[str, Any]]:
    """Three times as many clients as request threads, at an app of 300 ms."""
    with place.listener("saturated") as port, Clients(port, "/sleep?ms=300", 3 * THREADS):
        yield {"threads": THREADS, "clients": 3 * THREADS, "most_per_s": THREADS / 0.3}


@contextmanager
def saturated_processes(place: Place) -> Iterator[dict[str, Any]]:
    """The same with the threads of two processes; the three other listeners are idle."""
    model = ConcurrencyModel.PREFORK
    with (
        place.listener("processes", model=model, workers=2, threads=2) as port,
        # Kept connections would stay with the process that accepted them.
        Clients(port, "/sleep?ms=300", 20, keep_alive=False),
    ):
        yield {"threads": 4, "clients": 20, "most_per_s": 4 / 0.3, "free": 1}


@contextmanager
def one_busy_process(place: Place) -> Iterator[dict[str, Any]]:
    """Kept connections, which all belong to one of two processes or to both by chance."""
    model = ConcurrencyModel.PREFORK
    with (
        place.listener("keeping", model=model, workers=2, threads=1) as port,
        Clients(port, "/sleep?ms=300", 6),
    ):
        yield {"threads": 2, "clients": 6, "most_per_s": 2 / 0.3, "free": 1}


@contextmanager
def slow_app(place: Place) -> Iterator[dict[str, Any]]:
    """Two clients at an app of 1.3 s, and eight threads for them."""
    with place.listener("slowapp") as port, Clients(port, "/sleep?ms=1300", 2):
        yield {"slowest_s": 1.3, "most": 2 * 6 / 1.3}


@contextmanager
def overflow(place: Place) -> Iterator[dict[str, Any]]:
    """More clients than the backlog holds, before a server that takes one at a time."""
    model = ConcurrencyModel.SEQUENTIAL
    with (
        place.listener("overflow", model=model) as port,
        Clients(port, "/sleep?ms=100", BACKLOG + 8, keep_alive=False),
    ):
        yield {"backlog": BACKLOG}


@contextmanager
def blocked_loop(place: Place) -> Iterator[dict[str, Any]]:
    """An ASGI app that blocks its event loop for 400 ms, and four clients."""
    model = ConcurrencyModel.ASYNCIO
    with (
        place.listener("blocked", LOOP_APP, model=model) as port,
        Clients(port, "/block?ms=400", 4),
    ):
        yield {"most_s": 3 * 0.4}


@contextmanager
def given_up(place: Place) -> Iterator[dict[str, Any]]:
    """A client that leaves while an app blocks its event loop, each time."""
    model = ConcurrencyModel.ASYNCIO
    with (
        place.listener("given", LOOP_APP, model=model) as port,
        Clients(port, "/block?ms=250", pause_s=0.2, exchange=give_up),
    ):
        yield {"most": 6 / 0.25}


@contextmanager
def raising(place: Place) -> Iterator[dict[str, Any]]:
    """An app that answers every request with 500."""
    with place.listener("raising") as port, Clients(port, "/raise", pause_s=0.05):
        yield {"most": 6 / 0.05}


@contextmanager
def slow_upload(place: Place) -> Iterator[dict[str, Any]]:
    """Clients that send their content slowly."""
    with (
        place.listener("upload") as port,
        Clients(port, "/upload", 3, exchange=upload_slowly),
    ):
        yield {"slowest_s": SLOW_CLIENT_S}


@contextmanager
def slow_download(place: Place) -> Iterator[dict[str, Any]]:
    """Clients that take their answer slowly."""
    with (
        place.listener("download") as port,
        Clients(port, "/large", 2, exchange=download_slowly),
    ):
        yield {"slowest_s": SLOW_CLIENT_S}


@contextmanager
def websocket(place: Place) -> Iterator[dict[str, Any]]:
    """WebSockets that are opened, used and closed."""
    model = ConcurrencyModel.ASYNCIO
    with (
        place.listener("talking", LOOP_APP, model=model) as port,
        Clients(port, "/ws/echo", 2, pause_s=0.5, exchange=talk) as clients,
    ):
        wait_until(lambda: clients.statuses[101] > 0, "a WebSocket", WITHIN_S)
        yield {}


@contextmanager
def port_taken(place: Place) -> Iterator[dict[str, Any]]:
    """A listener is asked for at a port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        listeners = place.control.listeners
        listeners.change_overrides(
            "taken", lambda before: replace(before, is_added=True, app=APP, port=port)
        )
        wait_until(
            lambda: (one := place.status("taken")) and one.state is ListenerState.FAILED,
            "the listener's failure",
            WITHIN_S,
        )
        yield {"port": port, "pid": os.getpid()}
        listeners.discard_overrides("taken")


@contextmanager
def port_refused(place: Place) -> Iterator[dict[str, Any]]:
    """A listener that runs is asked to move to a port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as held, place.listener("unmoved") as port:
        place.change("unmoved", port=held.getsockname()[1])
        wait_until(lambda: place.status("unmoved").message, "the refusal", WITHIN_S)
        yield {"wanted": held.getsockname()[1], "port": port}


@contextmanager
def stopped_by_a_person(place: Place) -> Iterator[dict[str, Any]]:
    """A listener with a port of its own is stopped."""
    with place.listener("halted") as port:
        place.change("halted", port=port, runs=False)
        wait_until(
            lambda: place.status("halted").state is ListenerState.STOPPED, "the stop", WITHIN_S
        )
        yield {"port": port}


@contextmanager
def full_core(place: Place) -> Iterator[dict[str, Any]]:
    """A server of one thread that computes all the time, on one core."""
    model = ConcurrencyModel.PREFORK
    with (
        place.listener("spinning", model=model, workers=1, threads=1) as port,
        Clients(port, "/spin?ms=250", 2),
    ):
        yield {"core": max(os.sched_getaffinity(0))}


# --- load runs ------------------------------------------------------------------------------------


@contextmanager
def healthy_run(place: Place) -> Iterator[dict[str, Any]]:
    """A run that any server keeps up with."""
    with place.listener("healthy"):
        yield place.run("healthy", "/", 75, 2)


@contextmanager
def timeouts(place: Place) -> Iterator[dict[str, Any]]:
    """Requests that are given up before the app has answered, and the run that comes next."""
    with place.listener("patient", threads=2):
        facts = place.run("patient", "/sleep?ms=1500", 60, 1, timeout_seconds=0.5)
        yield facts


@contextmanager
def unfinished(place: Place) -> Iterator[dict[str, Any]]:
    """A run that begins while the server works through the requests of the one before."""
    with place.listener("unfinished", threads=2):
        place.run("unfinished", "/sleep?ms=300", 60, 1, timeout_seconds=0.2)
        yield place.run("unfinished", "/", 20, 1, timeout_seconds=0.5)


@contextmanager
def refused(place: Place) -> Iterator[dict[str, Any]]:
    """The listener is stopped while a run loads it."""
    with place.listener("refusing") as port:
        run_id = place.begin_run("refusing", "/", 100, 4)
        place.change("refusing", port=port, runs=False)
        yield place.end_run(run_id)


@contextmanager
def reset(place: Place) -> Iterator[dict[str, Any]]:
    """An app that breaks off in the middle of each answer."""
    with place.listener("cutting"):
        yield place.run("cutting", "/cut", 30, 1)


@contextmanager
def failing_run(place: Place) -> Iterator[dict[str, Any]]:
    """A run against an app that answers with 500."""
    with place.listener("faulty"):
        yield place.run("faulty", "/raise", 50, 1)


@contextmanager
def too_fast(place: Place) -> Iterator[dict[str, Any]]:
    """A schedule that the generator itself cannot send by: 12 µs a request on its one core."""
    with place.listener("outrun"):
        yield place.run("outrun", "/", 80_000, 0.25, timeout_seconds=2)


@contextmanager
def few_connections(place: Place) -> Iterator[dict[str, Any]]:
    """A run that may open one connection, at an app of 50 ms, 40 times a second."""
    with place.listener("narrow"):
        yield place.run("narrow", "/sleep?ms=50", 40, 1, max_connections=1)


@contextmanager
def overloaded(place: Place) -> Iterator[dict[str, Any]]:
    """A run that asks for three times what two threads can answer, without a timeout."""
    with place.listener("behind", threads=2):
        yield place.run("behind", "/sleep?ms=100", 60, 1, timeout_seconds=60)


@contextmanager
def moved(place: Place) -> Iterator[dict[str, Any]]:
    """The listener gets another port while a run loads it."""
    with place.listener("moving"), socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        run_id = place.begin_run("moving", "/", 50, 30)
        place.change("moving", port=port)
        yield place.end_run(run_id) | {"port": port}


@contextmanager
def stopped_run(place: Place) -> Iterator[dict[str, Any]]:
    """A person stops a run before its end."""
    with place.listener("abandoned"):
        run_id = place.begin_run("abandoned", "/", 50, 60)
        eventually(
            lambda: place.control.load_runs.by_id(run_id).progress.get("answered", 0) > 0, WITHIN_S
        )
        place.control.load_runs.request_stop(run_id)
        yield place.end_run(run_id)


@contextmanager
def over_capacity(place: Place) -> Iterator[dict[str, Any]]:
    """More connections than a server accepts: the others get 503."""
    options = ("--name", "crowded", "--port", "0", "--max-connections", "4")
    with closing(Served(place.dashboard.folder, APP, *options)):
        eventually(lambda: place.dashboard.listener("crowded"), WITHIN_S)
        yield place.run("crowded", "/sleep?ms=400", 60, 1)


@contextmanager
def compared(place: Place) -> Iterator[dict[str, Any]]:
    """Two models with an app that answers with 500."""
    models = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL)
    plan = ComparisonPlan.constant(models, APP, "/raise", 20, 1, together=True)
    number = place.control.comparisons.request(plan, time.time()).id
    comparison = eventually(
        lambda: one if (one := place.control.comparisons.by_id(number)) and one.is_over else None,
        2 * WITHIN_S,
    )
    yield {"answered": [one.result["answered"] for one in comparison.contenders]}


def _saturated(subject: str, whose: str = "") -> dict[str, dict[str, Said]]:
    busy = Said(
        "bad",
        rf"^Listener {subject}: (?P<busy>\d+) of (?P<threads>\d+) request threads are busy, and "
        rf"(?P<waiting>\d+) requests wait for one{whose}; at (?P<rate>[\d.]+) req/s served, a "
        rf"request that came now would wait about (?P<wait>{DURATION})\.$",
        lambda facts, busy, threads, waiting, rate, wait: (
            threads == facts["threads"]
            and threads - facts.get("free", 0) <= busy <= threads
            and 0 < waiting <= facts["clients"] - busy
            and 0 < rate <= 1.2 * facts["most_per_s"]
            and about(wait, waiting / rate, 0.05)
        ),
    )
    waited = Said(
        "warn bad",
        rf"^(?:Requests to listener {subject} that ended in this span waited (?P<wait>{DURATION}) "
        rf"on average for a request thread|[\w ]+ requests to listener {subject} that ended in "
        rf"this span took {DURATION}(?: or longer)?, counted from their arrival in the kernel\. "
        r"On average those that ended spent "
        rf"(?P<part>{DURATION}) of their {DURATION} waiting for a request thread); "
        r"at most (?P<most>\d+) waited at once\.$",
        lambda facts, most, wait=None, part=None: (
            0.1 <= (part if wait is None else wait) < 5 and 0 < most <= facts["clients"] - 1
        ),
    )
    return {
        "Overview": {"threads-exhausted": busy},
        "Ports": {"threads-exhausted": busy},
        "Latency": {"span-thread-wait": waited},
    }


def _slow(subject: str, stage: str) -> dict[str, dict[str, Said]]:
    """Few requests, the slowest as long as the situation makes it, most of it in one stage."""
    slowest = r"The (?:one request|slowest of (?P<number>\d+) requests)"

    def agrees(facts: dict[str, Any], took: float, number: float = 1) -> bool:
        return 0.9 * facts["slowest_s"] <= took and number <= facts.get("most", 1_000)

    return {
        "Overview": {
            "slow": Said(
                "warn",
                rf"^{slowest} to listener {subject} that ended in the last 5 s took "
                rf"(?P<took>{DURATION}), counted from (?:its|their) arrival in the kernel\.$",
                agrees,
            )
        },
        "Ports": {},
        "Latency": {
            "span-slow": Said(
                "warn",
                rf"^(?:{slowest}|(?:5 of 100|At least half of the) requests) to listener {subject} "
                r"that ended in this span "
                rf"took (?P<took>{DURATION})(?: or longer)?, counted from (?:its|their) arrival in "
                r"the kernel\. (?:On average those that ended|It) "
                rf"spent (?P<part>{DURATION}) of (?:their|its) (?P<mean>{DURATION}) {stage}",
                lambda facts, took, part, mean, **_number: (
                    took >= 0.9 * facts["slowest_s"] and 0.5 * mean <= part <= mean
                ),
            )
        },
    }


def _failed(subject: str, how: str, *, at_least: float = 0.0) -> Said:
    """A run of which at least this share failed, for the most part so."""
    return Said(
        "bad",
        rf"^(?P<failed>[\d,]+) of (?P<sent>[\d,]+) requests to listener {subject} "
        rf"\((?P<percent>[\d.]+) %\) failed: (?P<count>[\d,]+) (?:was|were) {how}",
        lambda facts, failed, sent, percent, count: (
            sent == facts["result"]["sent"]
            and failed == sum(facts["result"]["failed"].values())
            and count == max(facts["result"]["failed"].values())
            and about(percent, 100 * failed / sent, 0.05)
            and failed >= at_least * sent
        ),
    )


def _fell_behind(subject: str) -> Said:
    return Said(
        "bad",
        rf"^Listener {subject} answered (?P<achieved>[\d.]+) req/s of the (?P<asked>[\d.]+) req/s "
        r"that the load generator asked for(?:, server errors among them)?\.$",
        lambda facts, achieved, asked: (
            asked == facts["result"]["rate_asked"]
            and abs(achieved - facts["result"]["rate_achieved"]) <= 0.01 * asked
        ),
    )


def _server_errors(target: str) -> Said:
    return Said(
        "bad",
        rf"^(?P<errors>[\d,]+) of (?P<answered>[\d,]+) answers of {target} to the load "
        r"generator were server errors \(5xx\)\.$",
        lambda facts, errors, answered: (
            errors == facts["result"]["status_classes"].get("5xx")
            and answered == facts["result"]["answered"]
        ),
    )


SITUATIONS = (
    Situation(
        "nothing wrong: no requests at all",
        nothing,
        {
            "Overview": {
                "nothing-wrong": Said(
                    "good",
                    r"^Nothing wrong was found in the last 5 s: (?P<running>\d+) of (?P<all>\d+) "
                    r"listeners run, and no request came\.$",
                    lambda facts, **of: of["running"] == of["all"] == facts["listeners"],
                )
            },
            "Ports": {
                "ports-well": Said(
                    "good",
                    r"^Nothing wrong was found at the ports in the last 5 s: (?P<running>\d+) of "
                    r"(?P<all>\d+) listeners run, no connection waited to be accepted\.$",
                    lambda facts, **of: of["running"] == of["all"] == facts["listeners"],
                )
            },
            "Latency": {"span-empty": Said("unknown", r"^No request was answered in this span")},
        },
    ),
    Situation(
        "nothing wrong: light load",
        light,
        {
            "Overview": {
                "nothing-wrong": Said(
                    "good",
                    r"in the last 5 s: (?P<running>\d+) of (?P<all>\d+) listeners run, "
                    r"(?P<number>\d+) requests? (?:was|were) served"
                    rf"(?:, p95 (?P<p95>{DURATION}) at most)?\.$",
                    lambda facts, number, p95=0.0, **of: (
                        of["running"] == of["all"] == facts["listeners"]
                        and 0 < number <= 30
                        and p95 < 1
                        and bool(p95) == (number >= FEWEST_FOR_P95)
                    ),
                )
            },
            "Ports": {"ports-well": Said("good", r"^Nothing wrong was found at the ports")},
            "Latency": {
                "span-well": Said(
                    "good",
                    r"^No request was slow in this span: (?P<number>\d+) requests? (?:was|were) "
                    r"served",
                    lambda _facts, number: number > 0,
                )
            },
        },
    ),
    Situation(
        "all request threads are busy",
        saturated,
        _saturated("saturated"),
        "saturated",
        frozenset({"slow", "span-slow"}),
        at_once=True,
    ),
    Situation(
        "all request threads of one listener are busy, in two processes, and the others are idle",
        saturated_processes,
        _saturated("processes", " in their own process"),
        "processes",
        frozenset({"slow", "span-slow"}),
        at_once=True,
    ),
    Situation(
        "requests wait in one process though another has a thread to spare",
        one_busy_process,
        _saturated("keeping", " in their own process"),
        "keeping",
        frozenset({"slow", "span-slow"}),
        at_once=True,
    ),
    Situation(
        "a slow app with threads to spare",
        slow_app,
        _slow("slowapp", "in the app until the response head was ready"),
        "slowapp",
        at_once=True,
    ),
    Situation(
        "clients that send their content slowly",
        slow_upload,
        _slow("upload", "being received"),
        "upload",
        at_once=True,
    ),
    Situation(
        "clients that take their answer slowly",
        slow_download,
        _slow("download", "while the response was handed to the kernel"),
        "download",
        at_once=True,
    ),
    Situation(
        "the accept queue overflows",
        overflow,
        {
            page: {
                "accept-queue": Said(
                    "bad",
                    r"^The accept queue of listener overflow was full in the last 5 s "
                    r"\((?P<depth>\d+) of (?P<backlog>\d+)\): the kernel dropped further",
                    lambda facts, depth, backlog: (
                        backlog == facts["backlog"] and backlog <= depth <= backlog + 1
                    ),
                ),
                "threads-busy": Said(
                    "warn",
                    r"^Listener overflow: 1 of 1 request thread is busy; up to (?P<depth>\d+) "
                    r"connections waited to be accepted in the last 5 s\.$",
                    lambda facts, depth: depth >= facts["backlog"],
                ),
                "kernel-wait": Said(
                    "bad",
                    r"^Requests to listener overflow that ended in the last 5 s waited (?P<wait>"
                    rf"{DURATION}) on average in the kernel before the server read them\.$",
                    lambda facts, wait: 0.5 <= wait / (0.1 * facts["backlog"]) <= 5,
                ),
            }
            for page in ("Overview", "Ports")
        },
        "overflow",
        frozenset({"slow"}),
        at_once=True,
    ),
    Situation(
        "an app blocks its event loop",
        blocked_loop,
        {
            page: {
                "kernel-wait": Said(
                    "bad",
                    r"^Requests to listener blocked that ended in the last 5 s waited (?P<wait>"
                    rf"{DURATION}) on average in the kernel before the server read them\.$",
                    lambda facts, wait: 0.4 <= wait <= 1.5 * facts["most_s"],
                )
            }
            for page in ("Overview", "Ports")
        }
        | {
            "Latency": {
                "span-kernel-wait": Said(
                    "bad",
                    r"^(?:Requests to listener blocked that ended in this span waited "
                    rf"(?P<wait>{DURATION}) on average in the kernel before the server read them|"
                    r"[\w ]+ requests? to listener blocked that ended in this span took "
                    rf"{DURATION}(?: or longer)?, counted from (?:its|their) arrival in the "
                    r"kernel\. (?:On average those that ended|It) spent "
                    rf"(?P<part>{DURATION}) of (?:their|its) {DURATION} waiting in the kernel "
                    r"for the server to read)\.$",
                    lambda facts, wait=None, part=None: (
                        0.4 <= (part if wait is None else wait) <= 1.5 * facts["most_s"]
                    ),
                )
            }
        },
        "blocked",
        frozenset({"slow", "span-slow"}),
        at_once=True,
    ),
    Situation(
        "clients give up while an app blocks its event loop",
        given_up,
        {
            "Overview": {
                "answers-to-nobody": Said(
                    "bad",
                    r"^(?P<gone>[\d,]+) of (?P<answers>[\d,]+) answers of listener given in the "
                    r"last 5 s came too late: their clients had closed their side of the "
                    r"connection\.$",
                    lambda facts, gone, answers: answers / 2 <= gone <= answers <= facts["most"],
                )
            },
        },
        "given",
        frozenset({"kernel-wait", "slow", "clients-left", "span-kernel-wait", "span-slow"}),
        at_once=True,
    ),
    Situation(
        "an app answers with 500",
        raising,
        {
            "Overview": {
                "server-errors": Said(
                    "bad",
                    r"^(?P<errors>\d+) of (?P<answers>\d+) answers of listener raising in the last "
                    r"5 s were server errors \(5xx\)\.$",
                    lambda facts, errors, answers: 0 < errors == answers <= facts["most"],
                )
            },
            "Ports": {},
            "Latency": {
                "span-errors": Said(
                    "bad",
                    r"^All (?P<answers>\d+) answers of listener raising in this span were server "
                    r"errors \(5xx\)",
                    lambda _facts, answers: answers > 0,
                )
            },
        },
        "raising",
        at_once=True,
    ),
    Situation(
        "WebSockets are opened, used and closed",
        websocket,
        {"Overview": {}, "Ports": {}, "Latency": {}},
        "talking",
        at_once=True,
    ),
    Situation(
        "a listener's port is taken",
        port_taken,
        {
            page: {
                "listener-down": Said(
                    "bad",
                    r"^Listener taken does not run: port (?P<port>\d+) is held by .*\(pid "
                    r"(?P<pid>\d+)\)",
                    lambda facts, port, pid: (port, pid) == (facts["port"], facts["pid"]),
                )
            }
            for page in ("Overview", "Ports")
        },
        "taken",
        at_once=True,
    ),
    Situation(
        "a listener cannot move to a port that is taken",
        port_refused,
        {
            "Overview": {},
            "Ports": {
                "not-as-asked": Said(
                    "note",
                    r"^Listener unmoved: port (?P<wanted>\d+) is held by .*; still on port "
                    r"(?P<port>\d+)\.$",
                    lambda facts, wanted, port: (wanted, port) == (facts["wanted"], facts["port"]),
                )
            },
        },
        "unmoved",
        at_once=True,
    ),
    Situation(
        "a listener is stopped, and its clients are refused",
        stopped_by_a_person,
        {
            "Overview": {},
            "Ports": {
                "not-listening": Said(
                    "note",
                    r"^Listener halted is stopped: nobody listens at port (?P<port>\d+), so "
                    r"connections to it are refused\.$",
                    lambda facts, port: port == facts["port"],
                )
            },
        },
        "halted",
        at_once=True,
    ),
    Situation(
        "a ring is overwritten before it is collected",
        overrun,
        {
            "Overview": {
                "requests-lost": Said(
                    "warn",
                    r"^(?P<lost>[\d,]+) requests were overwritten before the collector read them "
                    r"in the last 5 s: counts and rates are too low by so many\.$",
                    lambda facts, lost: 0 < lost <= 6 * facts["written_per_s"],
                )
            }
        },
        "overwritten",
    ),
    Situation(
        "one core is full",
        full_core,
        {
            "Overview": {
                "core": Said(
                    "warn",
                    r"^Core (?P<core>\d+) is (?P<busy>[\d.]+) % busy and the host as a whole "
                    r"(?P<whole>[\d.]+) %: a server with one thread at work",
                    lambda facts, core, busy, whole: (
                        core == facts["core"] and busy >= 98 and whole < 90
                    ),
                    or_else=frozenset({"cpu"}),  # where other programs fill the other cores
                )
            }
        },
        "Core|The host's CPU",
        frozenset({"cpu"}),
    ),
    Situation(
        "nothing wrong: a run that its listener keeps up with",
        healthy_run,
        {
            "Load": {
                "kept-up": Said(
                    "good",
                    r"^Listener healthy answered all (?P<sent>[\d,]+) requests at the "
                    rf"(?P<asked>[\d.]+) req/s asked for, 99 of 100 within (?P<p99>{DURATION})\.$",
                    lambda facts, sent, asked, p99: (
                        sent == facts["result"]["answered"] == 150
                        and asked == 75
                        and about(p99 * 1e3, facts["result"]["latency_ms"]["p99"], 0.01)
                    ),
                )
            },
            "Clocks": {
                "unexplained": Said(
                    "note",
                    rf"^Of the (?P<mean>{DURATION}) that a mean request of run (?P<run>\d+) took "
                    rf"from its send by its client's clock, (?P<rest>{DURATION}) lie outside"
                    # A client may read its answer just before the server notes its end.
                    rf"|^A mean request of run (?P<run_>\d+) took (?P<mean_>{DURATION}) from its "
                    rf"send by its client's clock, and the stages of the server took {DURATION}, "
                    rf"(?P<longer>{DURATION}) longer: no time outside",
                    lambda facts, mean=0.0, run=0, rest=0.0, mean_=0.0, run_=0, longer=0.0: (
                        (run or run_) == facts["run"]
                        and rest <= mean + mean_
                        and longer <= NOISE_S
                        and about((mean or mean_) * 1e3, facts["result"]["naive_ms"]["mean"], 0.05)
                    ),
                )
            },
        },
    ),
    Situation(
        "requests of a run time out",
        timeouts,
        {
            "Load": {
                "requests-failed": _failed("patient", r"not answered within 500 ms", at_least=0.9),
                "fell-behind": _fell_behind("patient"),
            }
        },
    ),
    Situation(
        "a run begins while the server works through the one before",
        unfinished,
        {
            "Load": {
                "started-busy": Said(
                    "warn",
                    r"^When the run began, listener unfinished still had (?P<left>[\d,]+) requests "
                    r"of earlier clients to work through",
                    lambda facts, left: left == facts["result"]["unfinished_at_start"] <= 60,
                )
            }
        },
        may_say=frozenset({"requests-failed", "fell-behind", "waited-to-be-sent"}),
    ),
    Situation(
        "the listener is stopped during a run",
        refused,
        {
            "Load": {
                "requests-failed": _failed("refusing", r"refused: nothing listened at the port"),
                "fell-behind": _fell_behind("refusing"),
            }
        },
    ),
    Situation(
        "an app breaks off its answers",
        reset,
        {
            "Load": {
                "requests-failed": _failed(
                    "cutting", r"cut off before a whole answer had come", at_least=1.0
                ),
                "fell-behind": _fell_behind("cutting"),
            }
        },
    ),
    Situation(
        "a run is answered with 500",
        failing_run,
        {"Load": {"run-server-errors": _server_errors("listener faulty")}},
    ),
    Situation(
        "a server over its capacity answers with 503",
        over_capacity,
        {"Load": {"run-server-errors": _server_errors("listener crowded")}},
        may_say=frozenset({"requests-failed", "fell-behind", "waited-to-be-sent"}),
    ),
    Situation(
        "the generator cannot send by its schedule",
        too_fast,
        {
            "Load": {
                "generator-limited": Said(
                    "unknown",
                    r"this run measured the generator, and says nothing about what listener outrun "
                    r"can carry\.$",
                )
            }
        },
        may_say=frozenset({"requests-failed"}),
    ),
    Situation(
        "requests of a run wait for a connection",
        few_connections,
        {
            "Load": {
                "connections-limited": Said(
                    "unknown",
                    r"^(?P<blocked>\d+) of (?P<sent>\d+) requests waited because the one "
                    r"connection that this run may have was in use, while listener narrow answered "
                    r"as fast as without a queue: with more connections it may carry more than "
                    r"this run shows\.$",
                    lambda facts, blocked, sent: (
                        (blocked, sent) == (facts["result"]["blocked"], facts["result"]["sent"])
                    ),
                ),
            }
        },
    ),
    Situation(
        "a listener answers a third of what a run asks for",
        overloaded,
        {"Load": {"fell-behind": _fell_behind("behind")}},
        may_say=frozenset({"waited-to-be-sent"}),
    ),
    Situation(
        "the listener's port is changed during a run",
        moved,
        {
            "Load": {
                "run-failed": Said(
                    "bad",
                    r"^Run (?P<run>\d+) failed: listener moving moved to 127\.0\.0\.1:(?P<port>\d+)"
                    r" while the run loaded its former address\.$",
                    lambda facts, run, port: (run, port) == (facts["run"], facts["port"]),
                )
            }
        },
    ),
    Situation(
        "a person stops a run",
        stopped_run,
        {
            "Load": {
                "stopped-early": Said(
                    "note",
                    rf"^The run was stopped after (?P<after>{DURATION})",
                    lambda facts, after: about(after, facts["result"]["schedule_seconds"], 0.01),
                ),
                "kept-up": Said(
                    "good",
                    r"^Listener abandoned answered (?:all )?(?P<answered>\d+) requests at the",
                    lambda facts, answered: answered == facts["result"]["answered"],
                ),
            }
        },
    ),
    Situation(
        "two models are compared with an app that answers with 500",
        compared,
        {
            "Compare": {
                "run-server-errors": Said(
                    "bad",
                    r"^(?P<errors>\d+) of (?P<answered>\d+) answers of model (?:sequential|thread "
                    r"pool) to the load generator were server errors \(5xx\)\.$",
                    lambda facts, errors, answered: (
                        errors == answered and answered in facts["answered"]
                    ),
                ),
                "latency-incomparable": Said(
                    "unknown",
                    r"^Their latencies cannot be compared\. Not compared, for the ",
                ),
            }
        },
        may_say=frozenset({"cost-differs"}),
    ),
)

BY_PROCESS = {
    "the leader is killed during a run, and another process takes over": (
        "Load",
        "`run-failed`",
    ),
    "all processes of the dashboard end while its pages are open": (
        "Overview, Ports, Latency, Load",
        "unknown, in the place of every finding",
    ),
}
"""Situations of whole processes, which have a test of their own: where they are read, and what."""
