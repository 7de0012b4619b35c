"""Scenarios: what a load run sends, and when; the same in the form, in a file and in the store.

A scenario is a schedule (or, in the closed model, a number of users) and a mix of weighted flows.
All that is needed to repeat a run is in it: with the same seed it sends the same requests at the
same times. When its flows are due: `servescope.scenarios.arrivals`. Whether it may
run: `servescope.scenarios.checks`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = TypeVar("Record")

MAX_CONNECTIONS: Final = 512
"""At a time, unless a scenario names another number."""

TIMEOUT_S: Final = 10.0
"""Seconds after which a request without a whole answer counts as timed out, unless told."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Evenly spaced arrivals."""

    kind: ClassVar[str] = "constant"
    rate: float  # flows that start, per second
    seconds: float

    @property
    def mean_rate(self) -> float:
        """Flows per second over the whole schedule."""
        return self.rate

    @property
    def peak_rate(self) -> float:
        """The highest rate, of flows per second."""
        return self.rate


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent arrivals: exponential times between them, of mean 1 / rate."""

    kind: ClassVar[str] = "poisson"
    rate: float
    seconds: float

    @property
    def mean_rate(self) -> float:
        """The expected rate."""
        return self.rate

    @property
    def peak_rate(self) -> float:
        """The highest rate, of flows per second."""
        return self.rate


@dataclass(frozen=True, slots=True)
class Ramp:
    """A rate that changes linearly."""

    kind: ClassVar[str] = "ramp"
    from_rate: float
    to_rate: float
    seconds: float

    @property
    def mean_rate(self) -> float:
        """Flows per second over the whole schedule."""
        return (self.from_rate + self.to_rate) / 2

    @property
    def peak_rate(self) -> float:
        """The highest rate, of flows per second."""
        return max(self.from_rate, self.to_rate)


@dataclass(frozen=True, slots=True)
class Steps:
    """One constant rate after the other, each for `step_seconds`."""

    kind: ClassVar[str] = "steps"
    rates: tuple[float, ...]
    step_seconds: float

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return len(self.rates) * self.step_seconds

    @property
    def mean_rate(self) -> float:
        """Flows per second over the whole schedule."""
        return sum(self.rates) / len(self.rates)

    @property
    def peak_rate(self) -> float:
        """The highest rate, of flows per second."""
        return max(self.rates)


@dataclass(frozen=True, slots=True)
class Spike:
    """A constant rate that rises to `peak_rate` at `peak_at` seconds, for `peak_seconds`."""

    kind: ClassVar[str] = "spike"
    rate: float
    peak_rate: float
    peak_at: float
    peak_seconds: float
    seconds: float

    @property
    def mean_rate(self) -> float:
        """Flows per second over the whole schedule."""
        peak = min(self.peak_seconds, max(self.seconds - self.peak_at, 0.0)) / self.seconds
        return self.rate * (1 - peak) + self.peak_rate * peak


@dataclass(frozen=True, slots=True)
class Recorded:
    """Traffic that a listener has had: how many requests of each flow arrived in each second.

    `arrivals[s][f]` is the count of flow f in second s; `factor` times as many are sent, at times
    drawn within their second. `source` says in words where it was recorded.
    """

    kind: ClassVar[str] = "recorded"
    arrivals: tuple[tuple[int, ...], ...]
    factor: float = 1.0
    source: str = ""

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return float(len(self.arrivals))

    @property
    def mean_rate(self) -> float:
        """Flows per second over the whole recording, times the factor."""
        return self.factor * sum(map(sum, self.arrivals)) / len(self.arrivals)

    @property
    def peak_rate(self) -> float:
        """The highest rate, of flows per second."""
        return self.factor * max(map(sum, self.arrivals))


@dataclass(frozen=True, slots=True)
class Users:
    """The closed model: each user sends its next flow `think_seconds` after the last answer.

    A slow server is asked less often, so that its latencies look better than a person's would be.
    """

    kind: ClassVar[str] = "users"
    users: int
    think_seconds: float
    seconds: float

    @property
    def mean_rate(self) -> None:
        """None: it follows from how fast the server answers."""
        return None

    @property
    def peak_rate(self) -> None:
        """None, as `mean_rate` is."""
        return None


Schedule = Constant | Poisson | Ramp | Steps | Spike | Recorded | Users

SCHEDULES: Final[dict[str, type[Schedule]]] = {
    one.kind: one for one in (Constant, Poisson, Ramp, Steps, Spike, Recorded, Users)
}
"""By the name that a file and the form give them."""


class BodyKind(StrEnum):
    """How a body is written, and its Content-Type."""

    TEXT = "text"
    JSON = "json"
    FORM = "form"  # application/x-www-form-urlencoded


class ValueSource(StrEnum):
    """Where in a response a value is taken from."""

    JSON_POINTER = "json_pointer"  # RFC 6901
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class CarriedValue:
    """A value of one response that later steps of the same flow write as `{name}`."""

    name: str
    source: ValueSource
    expression: str  # the JSON pointer, or the name of the header field


@dataclass(frozen=True, slots=True)
class RequestStep:
    """One request; target, header values and body may hold placeholders.

    `{n}` is a counter that starts at 1 and grows with each request of this step, `{column}` a value
    of the scenario's data, `{name}` a carried value; `{{` and `}}` are braces.
    """

    name: str = ""  # in results and rules; nothing: method and target
    method: str = "GET"
    target: str = "/"  # origin-form, e.g. "/search?q=x"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_kind: BodyKind = BodyKind.TEXT
    carried: tuple[CarriedValue, ...] = ()
    send_seconds: float = 0.0  # from its first byte to its last, as a slow client; 0: at once
    read_seconds: float = 0.0  # the same of the answer; 0: as fast as it comes

    @property
    def label(self) -> str:
        """The name in results and rules."""
        return self.name or f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class WebSocketStep:
    """One WebSocket conversation: send each message and wait for one in return, then close."""

    name: str = ""  # in results and rules; nothing: WebSocket and target
    target: str = "/"
    messages: tuple[str, ...] = ()  # text, with placeholders
    seconds_between: float = 0.0

    @property
    def label(self) -> str:
        """The name in results and rules."""
        return self.name or f"WebSocket {self.target}"


Step = RequestStep | WebSocketStep


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that one client takes in order, each after the answer to the one before.

    The first is sent when the schedule says so; a step that fails ends the flow.
    """

    steps: tuple[Step, ...]
    weight: float = 1.0  # its share of all flows, relative to the other weights
    cookies: bool = False  # keep Set-Cookie of one answer for the next steps


@dataclass(frozen=True, slots=True)
class DataRows:
    """Rows of a CSV file: the next flow that starts takes the next row, from the first again."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """The requests that a run sends, and the times at which it sends them."""

    schedule: Schedule
    flows: tuple[Flow, ...] = (Flow((RequestStep(),)),)
    name: str = ""
    keep_alive: bool = True  # else a connection for each request
    timeout_seconds: float = TIMEOUT_S
    max_connections: int = MAX_CONNECTIONS
    seed: int = 1
    data: DataRows = field(default_factory=DataRows)
    rules: tuple[str, ...] = ()  # e.g. "p99 < 50 ms"
    auto_stop: bool = False  # stop the run when a rule can no longer pass

    @property
    def label(self) -> str:
        """Its name, or else where its first request goes."""
        return self.name or self.flows[0].steps[0].target

    @property
    def is_of_requests(self) -> bool:
        """Whether each flow is one request, so that its schedule counts requests."""
        return all(
            len(flow.steps) == 1 and isinstance(flow.steps[0], RequestStep) for flow in self.flows
        )

    @property
    def rules_text(self) -> str:
        """Its rules in one line, and whether they can end a run; nothing where it has none."""
        rules = "; ".join(self.rules)
        is_ending = self.auto_stop and rules
        return f"{rules}; the run stops when one can no longer pass" if is_ending else rules

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps; steps of WebSockets are known by their messages."""
        return {**asdict(self), "schedule": {"kind": self.schedule.kind, **asdict(self.schedule)}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scenario:
        """Read what `to_json` wrote; fields of a later version are left out.

        Raises KeyError, TypeError or ValueError when it is something else.
        """
        schedule = values["schedule"]
        return cls(
            **{
                **known_fields(cls, values),
                "schedule": _read(SCHEDULES[schedule["kind"]], schedule),
                "flows": tuple(map(_flow, values["flows"])),
                "data": _read(DataRows, values["data"]),
                "rules": tuple(values["rules"]),
            }
        )


def known_fields(of: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are fields of this dataclass; lists become tuples."""
    return {one.name: _frozen(values[one.name]) for one in fields(of) if one.name in values}


def _read(of: type[Record], values: Mapping[str, Any]) -> Record:
    return of(**known_fields(of, values))


def _flow(values: Mapping[str, Any]) -> Flow:
    return Flow(**{**known_fields(Flow, values), "steps": tuple(map(_step, values["steps"]))})


def _step(values: Mapping[str, Any]) -> Step:
    if "messages" in values:
        return _read(WebSocketStep, values)
    known = {
        "body_kind": BodyKind(values["body_kind"]),
        "carried": tuple(map(_carried, values["carried"])),
    }
    return RequestStep(**{**known_fields(RequestStep, values), **known})


def _carried(values: Mapping[str, Any]) -> CarriedValue:
    return CarriedValue(
        **{**known_fields(CarriedValue, values), "source": ValueSource(values["source"])}
    )


def _frozen(value: Any) -> Any:
    """Lists as tuples, at any depth."""
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value
