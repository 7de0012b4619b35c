"""Every model, plain and behind TLS: an app may do anything; server and next request are unharmed.

The apps and what is right stand in `hostile_wsgi_apps` and `hostile_asgi_apps`. A listener runs in
a process of its own, with fewer threads than a case has requests. It is started anew when a case
has failed, so that each is judged by itself.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

import pytest

from servescope.records.listeners import AppKind
from servescope.serving.tls.certificates import self_signed_pair
from tests.contracts import hostile_asgi_apps, hostile_wsgi_apps
from tests.contracts.harness import HOSTINGS
from tests.contracts.hostile_cases import WEBSOCKET, Kind
from tests.contracts.hostile_client import (
    SETTLED_S,
    Harm,
    Trial,
    census,
    left_behind,
)
from tests.faults.hosted import Hosted
from tests.serving.tls_client import trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servescope.records.listeners import ConcurrencyModel
    from tests.contracts.hostile_cases import Case

pytestmark = pytest.mark.process

APPS = {AppKind.WSGI: hostile_wsgi_apps, AppKind.ASGI: hostile_asgi_apps}
THREADS = 2
ANSWER_S = 20
"""How long an answer may take; the apps take no time."""

REPEATS = 4
"""With those in a row more than there are threads to lose."""

REPEATS_BEHIND_TLS = 0
"""A handshake takes longer than all else; what is left is counted for all cases together."""

SPARE = 3
"""The most that all cases together leave of descriptors, threads and tasks: a grown pool."""

SPARE_KIB = 4_096
"""And of memory; 16 KiB kept by each would be more."""

ENDING_ALIKE = (Kind.RAISES, Kind.BLOCKS, Kind.START, Kind.HEADERS, Kind.WEBSOCKET)
"""Kinds whose cases end in one of a few ways."""

STRAY_SIGNS = (
    "Exception in thread",
    "Exception ignored",
    "Logging error",
    "never retrieved",
    "never awaited",
)
"""Of a fault that nobody has taken."""


class HostileListener:
    """A listener that hosts a catalogue, what it was asked since its start, and what it logged."""

    def __init__(self, folder: Path, model: ConcurrencyModel, kind: AppKind, tls: bool) -> None:
        self._folder = folder
        self._model = model
        self.kind = kind
        self.has_tls = tls
        self._trust: ssl.SSLContext | None = trusting(folder) if tls else None
        self._hosted: Hosted | None = None
        self._starts = 0
        self.asked: set[str] = set()

    def ensure(self) -> None:
        """Start it, where it does not run."""
        if self._hosted is not None:
            return
        self._starts += 1
        folder = self._folder / f"start-{self._starts}"
        folder.mkdir()
        options = {"threads": THREADS, "workers": 1}
        if self.has_tls:
            pair = self_signed_pair(self._folder)
            options |= dict(zip(("certificate", "key"), map(str, pair), strict=True))
        app = f"{APPS[self.kind].__name__}:app"
        self._hosted = Hosted(folder, self._model, self.kind, options, app)
        census(self, "settle")

    def connect(self) -> socket.socket:
        """A new connection (see Target)."""
        assert self._hosted is not None
        sock = socket.socket()
        sock.settimeout(ANSWER_S)
        sock.connect(self._hosted.address)
        if self._trust is None:
            return sock
        return self._trust.wrap_socket(sock, server_hostname="localhost")

    def log_size(self) -> int:
        """Bytes that were logged since the start."""
        assert self._hosted is not None
        return self._hosted.log_file.stat().st_size

    def log(self, start: int) -> str:
        """All that was logged behind so many bytes: a catalogue's faults fill megabytes."""
        assert self._hosted is not None
        with self._hosted.log_file.open("rb") as file:
            file.seek(start)
            return file.read().decode()

    def close(self) -> None:
        """End it."""
        if self._hosted is not None:
            self._hosted.close()
            self._hosted = None
            self.asked.clear()


LISTENERS = [(*hosting, has_tls) for has_tls in (False, True) for hosting in HOSTINGS]


def name_of(one: tuple[ConcurrencyModel, AppKind, bool] | Case) -> str:
    if not isinstance(one, tuple):
        return one.name
    model, kind, has_tls = one
    return f"{model}-{kind}-{'tls' if has_tls else 'plain'}"


def over(*listeners: tuple[ConcurrencyModel, AppKind, bool]) -> pytest.MarkDecorator:
    """One listener after the other, each for all that asks for it."""
    return pytest.mark.parametrize(
        "listener", listeners, indirect=True, ids=name_of, scope="module"
    )


def over_all(kind: AppKind, *, has_tls: bool) -> pytest.MarkDecorator:
    return over(*(one for one in LISTENERS if one[1:] == (kind, has_tls)))


def cases_of(kind: AppKind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", APPS[kind].CASES.values(), ids=name_of)


def cases_behind_tls(kind: AppKind) -> pytest.MarkDecorator:
    """Each third of those that end before TLS can make a difference, and all others."""
    cases = list(APPS[kind].CASES.values())
    alike = [case for case in cases if case.kind in ENDING_ALIKE]
    chosen = [case for case in cases if case.kind not in ENDING_ALIKE] + alike[::3]
    return pytest.mark.parametrize("case", chosen, ids=name_of)


@pytest.fixture(scope="module")
def listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostileListener]:
    listener = HostileListener(tmp_path_factory.mktemp("hostile"), *request.param)
    yield listener
    listener.close()


def faults_in_log(case: Case, trial: Trial, log: str) -> list[str]:
    """The errors in the log: one line is due for each fault, and nothing else."""
    wanted = sum(case.lines_after(answer.ending) for answer in trial.seen)
    subject = "(?:the WebSocket|GET)" if case.request is WEBSOCKET else case.request.method
    own = re.compile(rf"listener it: .*\b{subject} /{re.escape(case.name)}(?![\w-])")
    lines = [line for line in log.splitlines() if line.startswith("listener ")]
    told = sum(own.match(line) is not None for line in lines)
    found = [f"the log: {line}" for line in lines if not own.match(line)][:3]
    if case.kind is Kind.LOOP:  # a loop that is stopped is no request's
        found = [line for line in found if "connection failed" in line]
    if told != wanted and not (case.may_log and told <= len(trial.seen)):
        found.append(f"{told} lines of the log for {wanted} faults")
    return found + [f"the log holds {sign!r}" for sign in STRAY_SIGNS if sign in log]


@cases_of(AppKind.WSGI)
@over_all(AppKind.WSGI, has_tls=False)
def test_hostile_wsgi_app(listener: HostileListener, case: Case):
    hold_to(listener, case)


@cases_of(AppKind.ASGI)
@over_all(AppKind.ASGI, has_tls=False)
def test_hostile_asgi_app(listener: HostileListener, case: Case):
    hold_to(listener, case)


@cases_behind_tls(AppKind.WSGI)
@over_all(AppKind.WSGI, has_tls=True)
def test_hostile_wsgi_app_behind_tls(listener: HostileListener, case: Case):
    hold_to(listener, case)


@cases_behind_tls(AppKind.ASGI)
@over_all(AppKind.ASGI, has_tls=True)
def test_hostile_asgi_app_behind_tls(listener: HostileListener, case: Case):
    hold_to(listener, case)


def hold_to(listener: HostileListener, case: Case) -> None:
    listener.ensure()
    before = listener.log_size()
    trial = Trial(case, listener)
    trial.run(REPEATS_BEHIND_TLS if listener.has_tls else REPEATS)
    listener.asked.add(case.name)
    faults = [str(fault) for fault in trial.faults] or wait_for_log(
        case, trial, lambda: listener.log(before)
    )
    if faults:
        listener.close()  # the next case is judged by itself
    assert not faults, f"{case.reason}: " + "; ".join(faults)


def wait_for_log(case: Case, trial: Trial, read_log: Callable[[], str]) -> list[str]:
    """Faults of the log: a line may come after the response it tells of."""
    deadline = time.monotonic() + SETTLED_S
    while (faults := faults_in_log(case, trial, read_log())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return faults


@over(*LISTENERS)
def test_all_hostile_apps_end_right_and_leave_nothing(listener: HostileListener):
    listener.ensure()
    trials = [Trial(case, listener) for case in APPS[listener.kind].CASES.values()]
    for trial in trials:
        if trial.name not in listener.asked:  # a first request fills caches, and is not counted
            trial.ask_once()
    before = census(listener)
    for trial in trials:
        trial.ask_once()
    assert not {trial.name: trial.faults for trial in trials if trial.faults}
    assert not left_behind(listener, before, SPARE, 3 * len(trials), SETTLED_S)
    assert census(listener)["resident_kib"] - before["resident_kib"] < SPARE_KIB


@pytest.mark.parametrize("leak", hostile_wsgi_apps.LEAKS.values(), ids=name_of)
@over(LISTENERS[0])
def test_what_a_wsgi_app_leaves_is_found(listener: HostileListener, leak: Case):
    find(listener, leak)


@pytest.mark.parametrize("leak", hostile_asgi_apps.LEAKS.values(), ids=name_of)
@over(LISTENERS[len(HOSTINGS) - 1])
def test_what_an_asgi_app_leaves_is_found(listener: HostileListener, leak: Case):
    find(listener, leak)


def find(listener: HostileListener, leak: Case) -> None:
    """The checks can fail: at one descriptor, thread, task or dozen of objects for each request."""
    listener.ensure()
    trial = Trial(leak, listener, settled_s=0.1)  # what is kept is never given back
    trial.run(REPEATS)
    listener.close()
    assert [fault.harm for fault in trial.faults] == [Harm.LEFT]
    assert leak.name.removeprefix("leaves-") in str(trial.faults[0])
