"""Requests take longer under load: utilisation, Little's law, averages, a stall."""

from __future__ import annotations

import math
import statistics
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import (
    Bars,
    Chapter,
    Curve,
    Point,
    Question,
    Reading,
    Setting,
)
from servescope.chapters.guesses import CurveGuess, NumberGuess, number_text
from servescope.experiments.host import TemporaryListener
from servescope.experiments.load_run import LoadRun, LongRequest
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.scenarios import Constant, Flow, Recorded, RequestStep, Scenario, Users
from servescope.scenarios.arrivals import arrivals_ns
from servescope.statistics.queues import seconds_in_system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE_MS: Final = 20
_NS: Final = 1e9
_MS: Final = 1e3
_SERVICE_S: Final = SERVICE_MS / _MS
_MOST: Final = 1_000 // SERVICE_MS
"""Requests that the server can serve in a second."""

_TARGET: Final = f"/serve?ms={SERVICE_MS}"
_LISTENER: Final = TemporaryListener(
    "servescope.demo.one_place:app", AppKind.WSGI, ConcurrencyModel.SEQUENTIAL
)

LEVELS: Final = (
    (10, (5,)),
    (20, (10,)),
    (30, (15, 15)),
    (40, (20, 20)),
    (50, (25, 25)),
    (60, (30, 30)),
    (70, (35, 35)),
    (80, (40, 40)),
    (90, (45, 45)),
)
"""Percent of utilisation, and the requests of each second at it: given that many, Poisson arrivals
are at independent moments, which is what a Recorded schedule draws."""

_START_S: Final = 2
"""Listener and load generator take about that long to start."""

_CURVE_S: Final = sum(len(counts) for _, counts in LEVELS)

CURVE_SEED: Final = 155_739
COUNT_SEED: Final = 712
"""Seconds are few, and most draws are off the long run by a third somewhere. With these, all means
are within a tenth of it: a test holds them to M/D/1."""

COUNTED_S: Final = 10
_COUNTED_RATE: Final = 40

_STALL_RATE: Final = 25
_STALL_S: Final = 10
_STALL_AT_S: Final = 4.0
_STALL: Final = LongRequest("/serve?ms=1000", _STALL_AT_S)
_THINK_S: Final = 0.02
_REQUESTS: Final = "requests"
_OF_100: Final = "99 of 100"


def _load(scenario: Scenario, **more: Any) -> LoadRun:
    return LoadRun(_LISTENER, scenario, **more)


def _flow(name: str) -> Flow:
    return Flow((RequestStep(name=name, target=_TARGET),))


def _curve_scenario() -> Scenario:
    flows = tuple(_flow(_percent(level)) for level, _ in LEVELS)
    arrivals = tuple(
        tuple(count if at == place else 0 for at in range(len(LEVELS)))
        for place, (_, counts) in enumerate(LEVELS)
        for count in counts
    )
    return Scenario(Recorded(arrivals), flows, keep_alive=False, seed=CURVE_SEED)


def _percent(level: int) -> str:
    return f"{level} %"


def _count_scenario() -> Scenario:
    schedule = Recorded(((_COUNTED_RATE,),) * COUNTED_S)
    return Scenario(schedule, (_flow(_REQUESTS),), keep_alive=False, seed=COUNT_SEED)


def stays_ms(scenario: Scenario) -> list[float]:
    """How long each request of a schedule is with the server, by theory, in order of arrival."""
    arrivals_s = (due_ns / _NS for due_ns in arrivals_ns(scenario))
    return [_MS * stay_s for stay_s in seconds_in_system(arrivals_s, repeat(_SERVICE_S))]


def curve_ms() -> tuple[float, ...]:
    """The mean time at each utilisation, exact for the arrivals of the experiment."""
    stays = iter(stays_ms(_curve_scenario()))
    return tuple(statistics.mean(next(stays) for _ in range(sum(counts))) for _, counts in LEVELS)


def _figures(times_ms: Sequence[float]) -> tuple[float, ...]:
    """Median, mean, 99th percentile (by rank, as the load generator has them) and the longest."""
    ordered = sorted(times_ms)
    median, p99 = (ordered[math.ceil(q * len(ordered)) - 1] for q in (0.5, 0.99))
    return median, statistics.mean(ordered), p99, ordered[-1]


def _open_stall() -> tuple[float, ...]:
    """Figures of the requests that come by the clock; the stall begins between two of them."""
    between_s = 1 / _STALL_RATE
    due = [(number * between_s, _SERVICE_S) for number in range(_STALL_RATE * _STALL_S)]
    stall = (_STALL_AT_S + between_s / 2, 1.0)
    arrivals_s, services_s = zip(*sorted([*due, stall]), strict=True)
    stays_s = seconds_in_system(arrivals_s, services_s)
    pairs = zip(stays_s, services_s, strict=True)
    return _figures([_MS * stay_s for stay_s, service_s in pairs if service_s == _SERVICE_S])


def _closed_stall() -> tuple[float, ...]:
    """Figures of one user's requests, one of which waits for all of the stall but half a pause."""
    usual = round((_STALL_S - 1.0) / (_SERVICE_S + _THINK_S))
    longest_ms = _MS * (1.0 - _THINK_S / 2)
    return _figures([*repeat(float(SERVICE_MS), usual), longest_ms])


def _bars(values: Sequence[float]) -> tuple[Point, ...]:
    """The figures of a stall as points; the slowest of a closed load is known to some percent."""
    names = ("median", "mean", _OF_100, "slowest")
    return tuple(Point(name, value) for name, value in zip(names, values, strict=True))


def _read(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    if setting.name == "curve":
        return _read_curve(measured)
    if setting.name == "count":
        return _read_count(measured)
    return _read_stall(measured)


def _read_curve(measured: Mapping[str, Any]) -> Reading:
    of_level = [measured["steps"][_percent(level)] for level, _ in LEVELS]
    means = tuple(float(one["mean_ms"]) for one in of_level)
    half, eighty, ninety = (means[_place(level)] for level in (50, 80, 90))
    return Reading(
        means,
        points=means,
        facts=(("The slowest request at 90 %", _ms(of_level[-1]["max_ms"])),),
        told=(
            (
                f"A request took {_ms(half)} on average at 50 %, {_ms(eighty)} at 80 %, and "
                f"{_ms(ninety)} at 90 %. The place where the curve bends upwards is called its "
                "knee."
            ),
        ),
    )


def _place(level: int) -> int:
    return [one for one, _ in LEVELS].index(level)


def _ms(value: float) -> str:
    return number_text(value, "ms")


def _read_count(measured: Mapping[str, Any]) -> Reading:
    rate = measured["answered"] / COUNTED_S
    mean_ms = float(measured["steps"][_REQUESTS]["mean_ms"])
    counted = float(measured["connection_seconds"]) / COUNTED_S
    product = rate * mean_ms / _MS
    return Reading(
        counted,
        points=(counted, product),
        told=(
            (
                f"The operating system counted {number_text(counted, '')} connections to the "
                "server on average: the bar “counted”. The load generator, the program that sends "
                "the requests, knows nothing of that count: it had "
                f"{number_text(rate, '')} answers a second, each after {_ms(mean_ms)} on average, "
                f"and one times the other is {number_text(product, '')} requests: the bar “rate "
                "times stay”."
            ),
        ),
    )


def _read_stall(measured: Mapping[str, Any]) -> Reading:
    step = measured["steps"][_REQUESTS]
    values = tuple(float(step[name]) for name in ("p50_ms", "mean_ms", "p99_ms", "max_ms"))
    median, mean, p99, longest = values
    return Reading(
        p99,
        points=values,
        facts=(("Requests", f"{step['answered']:,}"),),
        told=(
            (
                f"Half of the requests took at most {_ms(median)}, and the slowest took "
                f"{_ms(longest)}. Their mean, {_ms(mean)}, tells neither of the two."
            ),
        ),
    )


_CURVE: Final = curve_ms()
_COUNT: Final = sum(stays_ms(_count_scenario())) / _MS / COUNTED_S
_OPEN: Final = _open_stall()
_CLOSED: Final = _closed_stall()
_STALLED: Final = (
    "After 4 s the server is busy for one whole second with a long report that somebody else "
    "asked for. Within how many milliseconds are 99 of 100 requests answered?"
)
_STALL_PICTURE: Final = Bars(
    "Median: half took at most this long. Mean: the average. 99 of 100: all but one took at most "
    "this",
    "Milliseconds until the answer",
    "ms",
    asked=_OF_100,
)
_WITHIN: Final = NumberGuess("99 of 100 are answered within", "ms", 1, 60_000)

CHAPTER: Final = Chapter(
    name="queues-and-load",
    number=10,
    title="Queues and load",
    question=(
        "The server needs 20 ms for a request. The busier it is, the longer a request takes, since "
        "it may have to wait. How long does a request take on average, if the server is busy for "
        "10 % to 90 % of the time?"
    ),
    before=(
        (
            f"This server serves one request at a time and takes exactly {SERVICE_MS} ms for each, "
            f"so it can serve {_MOST} in a second. Its utilisation is the share of the time in "
            "which it is busy: with 25 requests a second it is 50 %."
        ),
        (
            "Unless the question says otherwise, requests come at random moments, as people do: "
            "sometimes two together, sometimes none for a while. One that comes while the server "
            f"is busy waits in a queue. Its time is the wait and the {SERVICE_MS} ms."
        ),
    ),
    guess=CurveGuess(
        "A request takes on average",
        "ms",
        tuple(_percent(level) for level, _ in LEVELS),
        160,
    ),
    knob="What is measured",
    settings=(
        Setting(
            "curve",
            "The curve: utilisation and time",
            _load(_curve_scenario()),
            _CURVE,
            "A request that comes while the server is busy waits until the one before it is done, "
            "and until all that wait already are. Near 100 % there is hardly a moment in which the "
            "queue can get shorter. If requests come at random for ever, the mean time is known: "
            f"with a utilisation u (0.5 for 50 %) it is {SERVICE_MS} ms · (1 + u / (2 · (1 - u))). "
            "The line is that of the few hundred requests of this experiment, whose moments are "
            "the same each time.",
            points=tuple(
                Point(_percent(level), expected, float(level))
                for (level, _), expected in zip(LEVELS, _CURVE, strict=True)
            ),
            takes_s=_CURVE_S + _START_S,
        ),
        Setting(
            "count",
            "The count of requests at the server",
            _load(_count_scenario(), counts_connections=True),
            _COUNT,
            "In each second 40 requests come, and each stays for 60 ms. Together they stay for "
            "40 · 0.06 s = 2.4 s in each second, so 2.4 of them are there at a time. This is "
            "Little's law: the number that is there is the rate at which they come, times the time "
            "that each stays. Nothing else matters, neither how they come nor in which order they "
            "are served.",
            points=(Point("counted", _COUNT), Point("rate times stay", _COUNT)),
            question=Question(
                "40 requests come in each second, at random moments. Each is with the server "
                "for 60 ms on average: it waits, then it is served. How many requests are with the "
                "server at a time, on average?",
                NumberGuess("With the server are, on average", "requests", 0, 1_000),
                Bars("Measured in two ways", "Requests with the server, on average", "requests"),
                0.03,
            ),
            takes_s=COUNTED_S + _START_S,
        ),
        Setting(
            "stall",
            "A stall: requests come by the clock",
            _load(
                Scenario(Constant(_STALL_RATE, _STALL_S), (_flow(_REQUESTS),), keep_alive=False),
                long_request=_STALL,
            ),
            _OPEN[2],
            "All that come in that second wait for its end, and then for those before them in the "
            "queue. It takes another second until the queue is empty. So the requests of two of "
            "the ten seconds are late: a fifth of them, not one in a hundred.",
            points=_bars(_OPEN),
            question=Question(
                f"For 10 s a request comes every {1_000 // _STALL_RATE} ms, whether or not those "
                f"before are answered. {_STALLED}",
                _WITHIN,
                _STALL_PICTURE,
                0.1,
            ),
            takes_s=_STALL_S + _START_S,
        ),
        Setting(
            "stall-one-user",
            "A stall: one user, who waits",
            _load(
                Scenario(Users(1, _THINK_S, _STALL_S), (_flow(_REQUESTS),), keep_alive=False),
                long_request=_STALL,
            ),
            _CLOSED[2],
            "In that second the user waits for one answer and sends nothing else. One slow request "
            "of more than two hundred is not one of a hundred, so the figure does not show it. The "
            "25 or so that would have come meanwhile were never sent, and are not counted. A load "
            "test that waits for each answer leaves out the bad moments. This mistake is called "
            "coordinated omission.",
            points=_bars(_CLOSED),
            question=Question(
                "There is one user, for 10 s: a request, its answer, 20 ms to read it, the next "
                f"request. That is one every 40 ms. {_STALLED}",
                _WITHIN,
                _STALL_PICTURE,
                0.1,
            ),
            takes_s=_STALL_S + _START_S,
        ),
    ),
    read=_read,
    picture=Curve(
        "Utilisation: busy for this share of the time, %",
        "Milliseconds until the answer, on average",
        "ms",
    ),
    tolerance=0.1,
    after=(
        (
            "A server that is busy for 90 % of the time is slow, though it is not full. So plan "
            "for its busiest minute, and watch the queue: it grows long before the server is full."
        ),
        (
            "A mean hides the few that wait long. Look at the median, the time within which half "
            "of all are answered, and at the time within which 99 of 100 are (the 99th "
            "percentile). To measure them, send requests without waiting for answers. The page "
            "Load measures so: it counts the time of each request from the moment at which it "
            "should have been sent."
        ),
    ),
)
