"""Whether the flows of a scenario are such that each of their requests is one well-formed request.

Each placeholder is held against what has a value by then, and each value of the data against the
places where it is put; values that an answer carries are checked when they are filled in
(`placeholders`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import BodyKind, RequestStep, ValueSource, WebSocketStep
from servescope.scenarios import bounds
from servescope.scenarios.bounds import check_count, check_from_zero, check_name, check_range
from servescope.scenarios.placeholders import COUNTER, MAX_FILLED_FIELD, NAME, Place, Template

if TYPE_CHECKING:
    from collections.abc import Collection

    from servescope.records.scenarios import CarriedValue, DataRows, Flow, Scenario, Step

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITHOUT_BODY: Final = frozenset(("GET", "HEAD"))
"""RFC 9110 section 9.3: content in these has no meaning, and some servers refuse it."""

OWN_FIELDS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Header fields that the generator writes itself, or that would change how messages are framed."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*")  # RFC 6901 section 3
_PCHAR: Final = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2}"
ORIGIN_FORM: Final = re.compile(rf"/(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?")
"""origin-form = absolute-path [ "?" query ] (RFC 9112 section 3.2.1, RFC 3986 section 3)."""

_PLACEHOLDER: Final = re.compile(rf"\{{{NAME.pattern}\}}")


def check_data(data: DataRows) -> None:
    """Raise LoadRefusedError unless the data is a table of named columns."""
    columns = data.columns
    if len(set(columns)) != len(columns) or not all(columns):
        raise LoadRefusedError("each column of the data has a name of its own")
    if COUNTER in columns:
        raise LoadRefusedError(f"no column of the data is called {COUNTER!r}: that is the counter")
    check_count("the number of data rows", len(data.rows), int(bool(columns)), bounds.MAX_DATA_ROWS)
    for number, row in enumerate(data.rows, 1):
        if len(row) != len(columns):
            raise LoadRefusedError(
                f"row {number} of the data has {len(row)} values for {len(columns)} columns"
            )
        for value in row:
            bytes_of(f"row {number} of the data", value)


def check_flows(scenario: Scenario) -> None:
    """Raise LoadRefusedError for the first fault of a flow; the sentence says of which."""
    flows = scenario.flows
    check_count("the number of flows", len(flows), 1, bounds.MAX_FLOWS)
    data = _DataValues(scenario.data)
    for flow_number, flow in enumerate(flows, 1):
        of_flow = f" of flow {flow_number}" if len(flows) > 1 else ""
        check_range(f"the weight{of_flow}", flow.weight, bounds.MAX_WEIGHT)
        check_count(f"the number of steps{of_flow}", len(flow.steps), 1, bounds.MAX_STEPS)
        carried: set[str] = set()
        for step_number, step in enumerate(flow.steps, 1):
            of_step = f" of step {step_number}" if len(flow.steps) > 1 else ""
            try:
                _check_step(step, flow, _KnownValues(data, carried))
                carried |= _checked_carried(step, data)
            except LoadRefusedError as error:
                where = f"{of_step}{of_flow}".removeprefix(" of ")
                raise LoadRefusedError(f"{where}: {error}" if where else str(error)) from None


def bytes_of(what: str, text: str) -> int:
    """How many bytes a text has. Raises LoadRefusedError for one that UTF-8 cannot say."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise LoadRefusedError(
            f"{what} holds {text[error.start]!r}, which is half a character"
        ) from None


class _DataValues:
    """The data's values; the longest of each column by place, escaped, sought only once."""

    def __init__(self, data: DataRows) -> None:
        self.columns = data.columns
        self._rows = data.rows
        self._longest: dict[tuple[str, Place], str] = {}

    def longest(self, column: str, place: Place) -> str:
        """Raises LoadRefusedError when a value of the column cannot stand there."""
        if (column, place) not in self._longest:
            at, longest, size = self.columns.index(column), "", -1
            for number, row in enumerate(self._rows, 1):
                try:
                    escaped = len(place.escape(row[at]))
                except LoadRefusedError as error:
                    raise LoadRefusedError(
                        f"column {column!r}, row {number} of the data: {error}"
                    ) from None
                if escaped > size:
                    longest, size = row[at], escaped
            self._longest[column, place] = longest
        return self._longest[column, place]


class _KnownValues:
    """The names that have a value when a step is sent."""

    def __init__(self, data: _DataValues, carried: Collection[str]) -> None:
        self._data = data
        self._carried = carried

    def check(self, what: str, text: str, place: Place) -> Template:
        """Compile a text. Raises LoadRefusedError; `what` is what its sentence calls the text."""
        try:
            template = Template(text, place)
            template.fill({name: self._longest(name, place) for name in template.names})
        except LoadRefusedError as error:
            raise LoadRefusedError(f"{what}: {error}") from None
        return template

    def is_carried(self, text: str) -> bool:
        """Whether a text is the placeholder of a carried value, and nothing else."""
        return text in {f"{{{name}}}" for name in self._carried}

    def _longest(self, name: str, place: Place) -> str:
        if name == COUNTER:
            return str(bounds.MAX_REQUESTS)
        if name in self._data.columns:
            return self._data.longest(name, place)
        if name in self._carried:
            return ""  # an answer decides
        known = (COUNTER, *self._data.columns, *sorted(self._carried))
        raise LoadRefusedError(
            f"{{{name}}} has no value; these have: {', '.join(f'{{{one}}}' for one in known)}"
        )


def _check_step(step: Step, flow: Flow, values: _KnownValues) -> None:
    check_name("the name of a request", step.name)
    _check_target(step.target, values)
    if isinstance(step, WebSocketStep):
        _check_web_socket(step, values)
        return
    if step.method not in METHODS:
        raise LoadRefusedError(
            f"the method is {', '.join(METHODS[:-1])} or {METHODS[-1]}, not {step.method[:40]!r}"
        )
    _check_headers(step, flow, values)
    _check_body(step, values)
    for what, seconds in (
        ("the time to send a request", step.send_seconds),
        ("the time to read an answer", step.read_seconds),
    ):
        check_from_zero(what, seconds, bounds.MAX_TIMEOUT_SECONDS, "seconds")


def _check_web_socket(step: WebSocketStep, values: _KnownValues) -> None:
    check_count("the number of messages", len(step.messages), 0, bounds.MAX_MESSAGES)
    for number, message in enumerate(step.messages, 1):
        _check_size(f"message {number}", message)
        values.check(f"message {number}", message, Place.TEXT)
    check_from_zero(
        "the time between messages", step.seconds_between, bounds.MAX_TIMEOUT_SECONDS, "seconds"
    )


def _check_target(target: str, values: _KnownValues) -> None:
    if values.is_carried(target):
        return
    if not target.startswith("/"):
        raise LoadRefusedError(
            f"the target {target[:80]!r} does not start with '/': write path and query only"
        )
    _check_length("the target", target)
    # Digits stand for the values, as many as keep each character at its position.
    sample = _PLACEHOLDER.sub(lambda match: "0" * len(match[0]), target)
    match = ORIGIN_FORM.match(sample)
    accepted = match.end() if match else 0
    if accepted != len(sample) and sample[accepted] not in "{}":
        raise LoadRefusedError(
            f"the target may not hold {sample[accepted]!r} (at position {accepted + 1}); "
            "percent-encode it (RFC 3986)"
        )
    values.check("the target", target, Place.TARGET)
    if accepted != len(sample):
        raise LoadRefusedError(
            f"the target may hold a brace (at position {accepted + 1}) only around a "
            "placeholder; write %7B for { and %7D for } (RFC 3986)"
        )


def _check_headers(step: RequestStep, flow: Flow, values: _KnownValues) -> None:
    check_count("the number of header fields", len(step.headers), 0, bounds.MAX_HEADERS)
    for name, value in step.headers:
        what = f"the header field {name[:40]!r}"
        if not _TOKEN.fullmatch(name):
            raise LoadRefusedError(f"{name[:40]!r} is no name of a header field")
        if name.lower() in OWN_FIELDS:
            raise LoadRefusedError(f"{what} is written by the generator itself; leave it out")
        if name.lower() == "cookie" and flow.cookies:
            raise LoadRefusedError(
                f"{what} is written by the generator where a flow keeps cookies; leave it out"
            )
        _check_length(what, value)
        values.check(what, value, Place.FIELD)


def _check_body(step: RequestStep, values: _KnownValues) -> None:
    if step.body and step.method in WITHOUT_BODY:
        raise LoadRefusedError(f"{step.method} has no body; choose POST, say, or empty the body")
    _check_size("the body", step.body)
    template = values.check("the body", step.body, Place.of_body(step.body_kind))
    if step.body and step.body_kind is BodyKind.JSON:
        try:
            json.loads(template.fill(dict.fromkeys(template.names, "0")))
        except (ValueError, RecursionError) as error:
            raise LoadRefusedError(
                f"the body is no JSON: {error}; choose text as its kind to send it all the same"
            ) from None


def _check_length(what: str, text: str) -> None:
    if len(text) > MAX_FILLED_FIELD:
        raise LoadRefusedError(
            f"{what} has {len(text):,} characters; it may have at most {MAX_FILLED_FIELD:,}"
        )


def _check_size(what: str, text: str) -> None:
    size = bytes_of(what, text)
    if size > bounds.MAX_BODY_BYTES:
        raise LoadRefusedError(
            f"{what} has {size:,} bytes; it may have at most {bounds.MAX_BODY_BYTES:,}"
        )


def _checked_carried(step: Step, data: _DataValues) -> set[str]:
    """The names that the next steps may use."""
    if isinstance(step, WebSocketStep):
        return set()
    check_count("the number of carried values", len(step.carried), 0, bounds.MAX_CARRIED)
    for value in step.carried:
        _check_carried(value, data)
    return {value.name for value in step.carried}


def _check_carried(value: CarriedValue, data: _DataValues) -> None:
    if not NAME.fullmatch(value.name) or len(value.name) > bounds.MAX_NAME:
        raise LoadRefusedError(
            f"{value.name[:40]!r} is no name of a carried value: it is of letters, digits, '_', "
            "'-' and '.', and begins with a letter or '_'"
        )
    if value.name == COUNTER or value.name in data.columns:
        raise LoadRefusedError(
            f"the carried value {value.name!r} has the name of the counter or of a column"
        )
    is_pointer = value.source is ValueSource.JSON_POINTER
    fits = (_POINTER if is_pointer else _TOKEN).fullmatch(value.expression)
    if not fits or len(value.expression) > MAX_FILLED_FIELD:
        raise LoadRefusedError(
            f"the carried value {value.name!r} is taken from {value.expression[:80]!r}, which is "
            f"no {'JSON pointer (RFC 6901)' if is_pointer else 'name of a header field'}"
        )
