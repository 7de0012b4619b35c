"""Load on a listener of its own by the load generator, with what else happens meanwhile."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.load.simultaneous import CONNECT_S, answered_ms
from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target
from servescope.load.timed_exchange import request_bytes
from servescope.records.load import LoadPlan, RunState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.sampling.inet_diag import connection_counts
from servescope.sampling.tcp_sockets import TcpState

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.experiments.host import ExperimentHost, TemporaryListener
    from servescope.load.report import Result
    from servescope.records.scenarios import Scenario
    from servescope.serving.workers.contender import ContenderProcess

_OK: Final = "200"
_POLL_S: Final = 0.005
_STOP_S: Final = 3.0
_UNDER_WAY: Final = (TcpState.ESTABLISHED, TcpState.SYN_RECEIVED)


@dataclass(frozen=True, slots=True)
class LongRequest:
    """One request of somebody else in the middle of the load."""

    target: str
    at_s: float  # after the start of the load


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One scenario, and what comes of it: see `carry_out`.

    `long_request` is one more request that takes part in no figure. With `counts_connections` the
    kernel is asked some 200 times a second how many connections the listener has.
    """

    listener: TemporaryListener
    scenario: Scenario
    long_request: LongRequest | None = None
    counts_connections: bool = False

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Load, and return what was measured.

        That are `steps`, with mean, median, 99th percentile and longest time of each step's
        requests in milliseconds, how many were `answered`, and the `connection_seconds`: how long
        connections stayed in the kernel's table, all together, if they were counted.
        Raises LoadRefusedError when a request is answered with another status than 200, or not.
        """
        first = self.scenario.flows[0].steps[0].target
        with host.listener(self.listener) as process:
            answered_ms(process.address, first, 1, host.left_s())  # an app's first one takes longer
            with host.span():
                result, connection_seconds = self._load(host, process)
        if result.statuses != {_OK: result.sent}:
            missing = result.sent - result.statuses.get(_OK, 0)
            raise LoadRefusedError(f"{missing:,} of {result.sent:,} requests were not answered")
        return {
            "answered": result.answered,
            "connection_seconds": connection_seconds,
            "steps": {
                step.name: {
                    "answered": step.answered,
                    "mean_ms": step.latency_ms.mean,
                    "p50_ms": step.latency_ms.p50,
                    "p99_ms": step.latency_ms.p99,
                    "max_ms": step.latency_ms.max,
                }
                for step in result.steps
            },
        }

    def _load(self, host: ExperimentHost, process: ContenderProcess) -> tuple[Result, float | None]:
        plan = LoadPlan(EXPERIMENT, self.scenario)
        target = Target(*process.address)
        generator = GeneratorProcess(0, plan, target, host.rings)
        count = (lambda: _under_way(target.port)) if self.counts_connections else None
        try:
            seconds = self._follow(host, process, generator, count)
        finally:
            if not generator.wait(0):
                generator.stop()
            if not generator.wait(_STOP_S):
                generator.kill()
                generator.wait(_STOP_S)
        if generator.state is not RunState.DONE or generator.result is None:
            raise LoadRefusedError(generator.message or "the load was stopped")
        return generator.result, seconds

    def _follow(
        self,
        host: ExperimentHost,
        process: ContenderProcess,
        generator: GeneratorProcess,
        count: Callable[[], int] | None,
    ) -> float | None:
        """Do what happens beside the load, until it is over; the seconds of all connections."""
        started_s = 0.0
        pending = self.long_request
        area, before_s, present = 0.0, time.monotonic(), 0
        with ExitStack() as opened:
            while not generator.wait(_POLL_S):
                if host.ending.is_set():
                    raise LoadRefusedError("the dashboard is being stopped")
                host.left_s()
                now_s = time.monotonic()
                if not started_s and generator.progress is not None:
                    started_s = now_s
                if pending and started_s and now_s >= started_s + pending.at_s:
                    opened.enter_context(_sent(process.address, pending.target))
                    pending = None
                if count is not None:
                    area += present * (now_s - before_s)
                    before_s, present = now_s, count()
        return None if count is None else area


def _under_way(port: int) -> int:
    """Connections of clients that wait for the server, or are served, by the kernel's table."""
    counts = connection_counts([port])
    return sum(counts.get((port, state), 0) for state in _UNDER_WAY)


def _sent(address: tuple[str, int], target: str) -> socket.socket:
    """A connection on which a GET was sent."""
    try:
        client = socket.create_connection(address, CONNECT_S)
        client.sendall(request_bytes(address, target))
    except OSError as error:
        raise LoadRefusedError(f"a request could not be sent: {error.strerror}") from error
    return client
