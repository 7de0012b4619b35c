"""The demos that one click starts: short load runs and comparisons, each with what to look for.

A demo is a row of DEMOS. It names the bundled app that it needs, not a listener: any running
listener that hosts the app will do, whatever the settings call it. Raises as `load_runs.start` and
`comparisons.start` do, by which the demos are started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.actions.comparisons import ComparisonRequest
from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_SITE, BUNDLED_WSGI
from servescope.actions.load_runs import LoadRunRequest
from servescope.errors import LoadRefusedError
from servescope.records.listeners import ConcurrencyModel, ListenerState
from servescope.records.scenarios import (
    Constant,
    Flow,
    RequestStep,
    Scenario,
    Spike,
    Users,
    WebSocketStep,
)
from servescope.scenarios.scenario_file import ScenarioFile, to_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records.listeners import ListenerStatus

SLOW_READ_S: Final = 4.0
"""Twice what a slow client takes to send: by Little's law most requests are then being written."""

_ALL_MODELS: Final = tuple(ConcurrencyModel)


@dataclass(frozen=True, slots=True)
class LoadDemo:
    """A load run on the listener of a bundled app."""

    line: str  # what to look for
    app: str
    scenario: Scenario

    @property
    def title(self) -> str:
        """The name of its scenario."""
        return self.scenario.name

    def listener(self, statuses: Sequence[ListenerStatus]) -> str | None:
        """The first running listener that hosts the app; `None` where there is none."""
        hosts = (
            one.name
            for one in statuses
            if one.app == self.app and one.state is ListenerState.RUNNING and not one.is_temporary
        )
        return next(hosts, None)

    def request(self, statuses: Sequence[ListenerStatus]) -> LoadRunRequest:
        """The load run. Raises LoadRefusedError when no running listener hosts the app."""
        listener = self.listener(statuses)
        if listener is None:
            raise LoadRefusedError(
                f"no running listener hosts {self.app}, which this demo needs; see the page Servers"
            )
        return LoadRunRequest(listener, None, None, None, file=to_toml(ScenarioFile(self.scenario)))


@dataclass(frozen=True, slots=True)
class ComparisonDemo:
    """A comparison of all concurrency models, one after the other, on a bundled endpoint."""

    title: str
    line: str
    request: ComparisonRequest


def _constant(name: str, target: str, rate: float, *, keep_alive: bool = True) -> Scenario:
    return Scenario(
        Constant(rate, 10), (Flow((RequestStep(target=target),)),), name, keep_alive=keep_alive
    )


def _mix(name: str, rate: float, **weights: float) -> Scenario:
    flows = (
        Flow((RequestStep(target=f"/{path}"),), weight=weight) for path, weight in weights.items()
    )
    return Scenario(Constant(rate, 10), tuple(flows), name)


def _on_all_models(endpoint: str, target: str, rate: float) -> ComparisonRequest:
    return ComparisonRequest(_ALL_MODELS, endpoint, target, rate, seconds=2, connections=64)


DEMOS: Final[dict[str, LoadDemo | ComparisonDemo]] = {
    "hello": LoadDemo(
        "100 requests/s for a small page. Look at requests per second: those that the generator "
        "finished and those that the server answered should be one line. Latency shows where the "
        "time goes.",
        BUNDLED_WSGI,
        _constant("Hello", "/", 100),
    ),
    "static": LoadDemo(
        "Small files, and one request of ten for a large one, which is four fifths of the bytes. "
        "No app runs: look at the stages, app is only finding the file.",
        str(BUNDLED_SITE),
        _mix(
            "Static files",
            100,
            **{"data/stages.json": 6, "images/waiting.svg": 3, "large/primes.txt": 1},
        ),
    ),
    "slow": LoadDemo(
        "60 requests/s that wait 200 ms each hold 12 threads at a time. A pool with fewer lets the "
        "rest wait: look at the stage queue, which grows although waiting takes no CPU.",
        BUNDLED_WSGI,
        _constant("A slow app", "/slow?ms=200", 60),
    ),
    "cpu": LoadDemo(
        "60 requests/s that compute for 20 ms each are more than one core can do. Look at CPU by "
        "core: under the global interpreter lock the threads of one process share one core.",
        BUNDLED_WSGI,
        _constant("A CPU-bound app", "/cpu?ms=20", 60),
    ),
    "slow-clients": LoadDemo(
        "One client of six takes 2 s to send its form, one of six takes 4 s to read its answer: "
        "about 60 slow clients at a time. Look at the path on the page Overview: most requests are "
        "in write, which is marked, and the next most in reading. Yet few wait for a thread: a "
        "pool gives one to a request when all of it is there, and takes it back before a slow "
        "client has read the answer. The model sequential would wait for each of them.",
        BUNDLED_WSGI,
        Scenario(
            Constant(60, 10),
            (
                Flow((RequestStep(),), weight=4),
                Flow(
                    (
                        RequestStep(
                            method="POST",
                            target="/whoami",
                            body="x" * 2_000,
                            send_seconds=2,
                        ),
                    )
                ),
                Flow((RequestStep(target="/download?kib=512", read_seconds=SLOW_READ_S),)),
            ),
            "Slow clients",
        ),
    ),
    "burst": LoadDemo(
        "A burst of new connections to an app that blocks its event loop: nobody accepts "
        "meanwhile. Look at the accept queue, and at the stage kernel, which has the wait in it.",
        BUNDLED_ASGI,
        Scenario(
            Spike(10, 250, 3, 2, 10),
            (Flow((RequestStep(target="/block?ms=10"),)),),
            "A burst",
            keep_alive=False,
        ),
    ),
    "errors": LoadDemo(
        "Of five requests about three succeed, one asks for a page that is not there (404), "
        "one meets a fault of the app (500). Look at Errors: it counts the 500 alone.",
        BUNDLED_WSGI,
        _mix("Errors", 50, whoami=3, missing=1, error=1),
    ),
    "connections": LoadDemo(
        "The demo Hello without keep-alive: a new connection for each request. Compare the two "
        "runs: each request now has to connect first.",
        BUNDLED_WSGI,
        _constant("Hello, without keep-alive", "/", 100, keep_alive=False),
    ),
    "chat": LoadDemo(
        "Ten guests of a chat room come again and again and say three things each. A WebSocket is "
        "one request with status 101; its messages are counted apart, on the page Requests.",
        BUNDLED_ASGI,
        Scenario(
            Users(10, 0.5, 10),
            (
                Flow(
                    (
                        WebSocketStep(
                            target="/ws/chat",
                            messages=("Good morning!", "This is my visit {n}.", "Good bye!"),
                            seconds_between=0.3,
                        ),
                    )
                ),
            ),
            "A WebSocket chat",
        ),
    ),
    "slow-models": ComparisonDemo(
        "A slow app on each model",
        "60 requests/s that wait 50 ms each. One connection at a time makes 20 a second at most, "
        "so there the rest waits longer and longer; the other models can wait for many at once.",
        _on_all_models("slow", "/slow?ms=50", 60),
    ),
    "cpu-models": ComparisonDemo(
        "A CPU-bound app on each model",
        "60 requests/s that compute for 20 ms each. Threads and an event loop have one core under "
        "the global interpreter lock and fall behind; prefork may use one for each process.",
        _on_all_models("cpu", "/cpu?ms=20", 60),
    ),
}
"""By a short name, in the order in which they are offered."""
