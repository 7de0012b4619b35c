"""Whether a scenario may run, and the sentence that refuses it.

A scenario of a form, a file or the store passes `check_scenario` before anything is sent. Where a
run may aim is checked elsewhere (`servescope.load.targets`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import (
    Constant,
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Spike,
    Steps,
    Users,
    WebSocketStep,
)
from servescope.scenarios import bounds, flow_checks
from servescope.scenarios.bounds import check_count, check_from_zero, check_range
from servescope.scenarios.rules import parse_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from servescope.records.scenarios import Flow, Scenario, Schedule

_PER_SECOND = "requests per second"


def check_scenario(scenario: Scenario, max_rate: float, max_seconds: float) -> Scenario:
    """Return the scenario when it may run.

    `max_rate` in requests per second. Raises LoadRefusedError with a sentence that names what is
    wrong and what is allowed.
    """
    bounds.check_name("the name", scenario.name)
    flow_checks.check_data(scenario.data)
    flow_checks.check_flows(scenario)
    check_range("the timeout", scenario.timeout_seconds, bounds.MAX_TIMEOUT_SECONDS, "seconds")
    check_count("the number of connections", scenario.max_connections, 1, bounds.MAX_CONNECTIONS)
    check_count("the seed", scenario.seed, 0, bounds.MAX_SEED)
    _check_schedule(scenario, max_rate, max_seconds)
    parse_rules(scenario.rules, tuple(step.label for flow in scenario.flows for step in flow.steps))
    _check_text(scenario)
    _check_volume(scenario, max_rate)
    return scenario


def check_same_for_each(scenario: Scenario) -> None:
    """Raise LoadRefusedError for a closed model: each of several servers would get other load."""
    if isinstance(scenario.schedule, Users):
        raise LoadRefusedError(
            "in the closed model the server decides when requests are sent, so each would get "
            "different ones: choose a schedule"
        )


def requests_of(flow: Flow) -> int:
    """How many requests and messages a flow sends when each of its steps is answered."""
    return sum(
        1 if isinstance(step, RequestStep) else 1 + len(step.messages) for step in flow.steps
    )


def _check_schedule(scenario: Scenario, max_rate: float, max_seconds: float) -> None:
    schedule = scenario.schedule
    if isinstance(schedule, Constant | Poisson):
        check_range("the rate", schedule.rate, max_rate, _PER_SECOND)
    elif isinstance(schedule, Ramp):
        check_from_zero("the first rate", schedule.from_rate, max_rate, _PER_SECOND)
        check_from_zero("the last rate", schedule.to_rate, max_rate, _PER_SECOND)
    elif isinstance(schedule, Steps):
        check_count("the number of steps", len(schedule.rates), 1, bounds.MAX_RATES)
        check_range("the length of a step", schedule.step_seconds, max_seconds, "seconds")
        for number, rate in enumerate(schedule.rates, 1):
            check_from_zero(f"the rate of step {number}", rate, max_rate, _PER_SECOND)
    elif isinstance(schedule, Spike):
        check_from_zero("the rate", schedule.rate, max_rate, _PER_SECOND)
        check_range("the rate of the spike", schedule.peak_rate, max_rate, _PER_SECOND)
        check_range("the length of the spike", schedule.peak_seconds, max_seconds, "seconds")
    elif isinstance(schedule, Recorded):
        _check_recording(schedule, scenario.flows)
    else:
        _check_users(schedule, scenario.max_connections)
    check_range("the duration", schedule.seconds, max_seconds, "seconds")
    if isinstance(schedule, Spike) and not 0 <= schedule.peak_at < schedule.seconds:
        raise LoadRefusedError(
            f"the spike begins within the {schedule.seconds:,.10g} seconds of the schedule, "
            f"not at {schedule.peak_at:,.10g} seconds"
        )
    if schedule.mean_rate == 0:
        raise LoadRefusedError("the schedule never sends anything: each of its rates is 0")


def _check_recording(schedule: Recorded, flows: Collection[Flow]) -> None:
    counts = [count for second in schedule.arrivals for count in second]
    if any(len(second) != len(flows) for second in schedule.arrivals):
        raise LoadRefusedError(
            f"each second of the recording has a count for each of the {len(flows)} flows"
        )
    if any(count < 0 for count in counts):
        raise LoadRefusedError("a count of the recording is below 0")
    if not any(counts):
        raise LoadRefusedError("there is no request in the recording")
    check_factor(schedule.factor)


def check_factor(factor: float) -> None:
    """Raise LoadRefusedError unless a recording may be sent so many times; NaN is not."""
    if not bounds.MIN_FACTOR <= factor <= bounds.MAX_FACTOR:
        raise LoadRefusedError(
            f"the factor of a recording is between {bounds.MIN_FACTOR:g} and "
            f"{bounds.MAX_FACTOR:g}, not {factor:,.10g}"
        )


def _check_users(schedule: Users, max_connections: int) -> None:
    check_count("the number of users", schedule.users, 1, bounds.MAX_CONNECTIONS)
    check_from_zero("the think time", schedule.think_seconds, bounds.MAX_THINK_SECONDS, "seconds")
    if schedule.users > max_connections:
        raise LoadRefusedError(
            f"{schedule.users:,} users need as many connections; the scenario allows "
            f"{max_connections:,}"
        )


def _check_text(scenario: Scenario) -> None:
    size = sum(len(text.encode()) for text in _texts(scenario))
    if size > bounds.MAX_TEXT_BYTES:
        raise LoadRefusedError(
            f"targets, header fields, bodies, messages and data have {size:,} bytes; together "
            f"they may have at most {bounds.MAX_TEXT_BYTES:,}"
        )


def _texts(scenario: Scenario) -> Iterator[str]:
    for flow in scenario.flows:
        for step in flow.steps:
            yield step.target
            if isinstance(step, WebSocketStep):
                yield from step.messages
            else:
                yield step.body
                yield from (part for header in step.headers for part in header)
    yield from scenario.data.columns
    yield from (value for row in scenario.data.rows for value in row)


def _check_volume(scenario: Scenario, max_rate: float) -> None:
    """Hold the requests of all flows against the bounds; the closed model's are not known."""
    schedule, mean = scenario.schedule, scenario.schedule.mean_rate
    if mean is None:
        return
    shares = _shares(scenario)
    a_flow = _mean(shares, map(requests_of, scenario.flows))
    rate, highest = mean * a_flow, _highest_rate(schedule) * a_flow
    if highest > max_rate:
        raise LoadRefusedError(
            f"the scenario has up to {highest:,.10g} requests per second; at most "
            f"{max_rate:,.10g} are allowed"
        )
    count = rate * schedule.seconds
    if count > bounds.MAX_REQUESTS:
        raise LoadRefusedError(
            f"{rate:,.10g} requests per second for {schedule.seconds:,.10g} seconds are "
            f"{count:,.0f} requests; one run has at most {bounds.MAX_REQUESTS:,}"
        )
    sent = mean * schedule.seconds * _mean(shares, map(_bytes_of, scenario.flows))
    if sent > bounds.MAX_SENT_BYTES:
        raise LoadRefusedError(
            f"the run would send {sent / 1e9:,.0f} GB in bodies and messages; it may send at "
            f"most {bounds.MAX_SENT_BYTES / 1e9:,.0f} GB"
        )


def _shares(scenario: Scenario) -> list[float]:
    """The part of all flows that each flow has."""
    weights: Sequence[float] = [flow.weight for flow in scenario.flows]
    if isinstance(scenario.schedule, Recorded):
        weights = list(map(sum, zip(*scenario.schedule.arrivals, strict=True)))
    return [weight / sum(weights) for weight in weights]


def _mean(shares: Collection[float], values: Iterator[int]) -> float:
    return sum(share * value for share, value in zip(shares, values, strict=True))


def _highest_rate(schedule: Schedule) -> float:
    """Most flows that start in a second, on average."""
    if isinstance(schedule, Ramp):
        return max(schedule.from_rate, schedule.to_rate)
    if isinstance(schedule, Steps):
        return max(schedule.rates)
    if isinstance(schedule, Spike):
        return max(schedule.rate, schedule.peak_rate)
    if isinstance(schedule, Recorded):
        return schedule.factor * max(map(sum, schedule.arrivals))
    return schedule.mean_rate or 0.0


def _bytes_of(flow: Flow) -> int:
    """Of a flow's bodies and messages, without their values."""
    texts = [
        text
        for step in flow.steps
        for text in ((step.body,) if isinstance(step, RequestStep) else step.messages)
    ]
    return sum(len(text.encode()) for text in texts)
