"""A scenario as a small TOML file; docs/load.md describes the format.

The keys are the fields of the records, so that file, form and store speak alike. A flow of one step
has the keys of the step itself. Data is CSV, in the file or in one beside it.

TOML is read by the standard library, which writes none. Tables, strings and numbers, all that is
written here, need no library; that all of it is read back is tested.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_type_hints

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import (
    SCHEDULES,
    BodyKind,
    CarriedValue,
    DataRows,
    Flow,
    RequestStep,
    Scenario,
    ValueSource,
    WebSocketStep,
)
from servescope.scenarios.toml_text import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from servescope.records.scenarios import Schedule, Step

MAX_FILE_BYTES: Final = 4 * 1_048_576

Record = TypeVar("Record")
_Table = dict[str, Any]
_Reader = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario, and where it aims, if the file says so: at a listener or at an origin."""

    scenario: Scenario
    listener: str = ""
    origin: str = ""


def read_scenario(path: Path) -> ScenarioFile:
    """Read a file, and its data from one beside it. Raises LoadRefusedError with a sentence."""
    folder = path.parent.resolve()

    def read_data(name: str) -> str:
        data = (folder / name).resolve()
        if not data.is_relative_to(folder):
            raise LoadRefusedError(
                f"data.file is a file in the folder of the scenario, not {name[:80]!r}"
            )
        return _text_of(data)

    return from_toml(_text_of(path), read_data)


def from_toml(text: str, read_data: Callable[[str], str] | None = None) -> ScenarioFile:
    """Read a scenario; `read_data(name)` gives the text of the CSV file that it names.

    Raises LoadRefusedError with a sentence that names the key. Whether the scenario may run is
    checked elsewhere (`checks`).
    """
    if len(text) > MAX_FILE_BYTES:
        raise LoadRefusedError(f"a scenario file has at most {MAX_FILE_BYTES:,} characters")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LoadRefusedError(f"the file is no TOML: {error}") from None
    where = {key: _text(table.pop(key, ""), key) for key in ("listener", "origin")}
    if all(where.values()):
        raise LoadRefusedError("listener and origin exclude each other: a run has one target")
    scenario = _record(
        Scenario,
        table,
        "",
        schedule=_schedule,
        flows=partial(_list, _flow),
        data=partial(_data, read_data),
    )
    return ScenarioFile(scenario, **where)


def to_toml(file: ScenarioFile) -> str:
    """The text of a file; `from_toml` reads the same from it."""
    scenario = file.scenario
    where = {"listener": file.listener, "origin": file.origin}
    top = {key: value for key, value in where.items() if value}
    top |= _said(scenario, leave_out=("schedule", "flows", "data"))
    parts = [
        table_lines("", top),
        table_lines("[schedule]", {"kind": scenario.schedule.kind, **_said(scenario.schedule)}),
    ]
    for flow in scenario.flows:
        of_flow = _said(flow, leave_out=("steps",))
        if len(flow.steps) == 1:
            parts.append(table_lines("[[flows]]", of_flow | _step_table(flow.steps[0])))
        else:
            parts.append(table_lines("[[flows]]", of_flow))
            parts += [table_lines("[[flows.steps]]", _step_table(step)) for step in flow.steps]
    if scenario.data.columns:
        parts.append(table_lines("[data]", {"csv": csv_of(scenario.data)}))
    return "\n\n".join(filter(None, parts)) + "\n"


def csv_of(data: DataRows) -> str:
    """The rows as CSV (RFC 4180, but lines end as in other texts here), names first."""
    rows = (data.columns, *data.rows)
    # The writer quotes what ends its own lines; CR ends a line for each reader.
    has_cr = any("\r" in value for row in rows for value in row)
    quoting: Literal[0, 1] = csv.QUOTE_ALL if has_cr else csv.QUOTE_MINIMAL
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    return text.getvalue()


def data_of_csv(text: str) -> DataRows:
    """The rows of a CSV text whose first row has the names; blank lines are none.

    Raises LoadRefusedError when it is no CSV.
    """
    text = text.removeprefix("\ufeff")
    try:
        rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise LoadRefusedError(f"the data is no CSV: {error}") from None
    if not rows:
        raise LoadRefusedError("the data is empty: its first row has the names of the columns")
    return DataRows(rows[0], tuple(rows[1:]))


def _text_of(path: Path) -> str:
    """The text of a file; raises LoadRefusedError when it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise LoadRefusedError(f"{path.name} cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise LoadRefusedError(f"{path.name} has more than {MAX_FILE_BYTES:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise LoadRefusedError(f"{path.name} is no text in UTF-8") from None


def _record(of: type[Record], value: object, path: str, **readers: _Reader) -> Record:
    """Read a table as a record; a field without a reader is read by its type."""
    table = _table(value, path)
    known = _fields(of)
    _refuse_unknown(table, known, path)
    for name, one in known.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise LoadRefusedError(f"{_below(path, name)} is missing")
    hints = get_type_hints(of)
    values = {}
    for name, told in table.items():
        read = readers[name] if name in readers else _READERS[hints[name]]
        values[name] = read(told, _below(path, name))
    return of(**values)


def _fields(of: type) -> dict[str, Field[Any]]:
    return {one.name: one for one in fields(of)}


def _schedule(value: object, path: str) -> Schedule:
    table = _table(value, path)
    kind = table.pop("kind", None)
    if not isinstance(kind, str) or kind not in SCHEDULES:
        raise LoadRefusedError(f"{path}.kind is one of {', '.join(SCHEDULES)}, not {kind!r}")
    return _record(SCHEDULES[kind], table, path)


def _flow(value: object, path: str) -> Flow:
    table = _table(value, path)
    if "steps" in table:
        return _record(Flow, table, path, steps=partial(_list, _step))
    step = WebSocketStep if "messages" in table else RequestStep
    _refuse_unknown(table, (*_fields(Flow), *_fields(step)), path)
    of_flow = {key: table.pop(key) for key in _fields(Flow) if key in table}
    return _record(Flow, of_flow | {"steps": table}, path, steps=lambda *_: (_step(table, path),))


def _step(value: object, path: str) -> Step:
    table = _table(value, path)
    if "messages" in table:
        return _record(WebSocketStep, table, path)
    return _record(RequestStep, table, path, headers=_headers, carried=partial(_list, _carried))


def _headers(value: object, path: str) -> tuple[tuple[str, str], ...]:
    """A table of names and values, or pairs of them in an array, where a name comes again."""
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        pairs = [tuple(pair) for pair in _list(_texts, value, path)]
        if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - name and value
            raise LoadRefusedError(f"{path} has pairs of a name and a value")
    return tuple((name, _text(text, _below(path, name))) for name, text in pairs)


def _carried(value: object, path: str) -> CarriedValue:
    table = _table(value, path)
    sources = {source.value: source for source in ValueSource}
    given = [key for key in table if key in sources]
    _refuse_unknown(table, ("name", *sources), path)
    if "name" not in table or len(given) != 1:
        raise LoadRefusedError(f"{path} has a name and one of {', '.join(sources)}")
    name, expression = _text(table["name"], f"{path}.name"), table[given[0]]
    return CarriedValue(name, sources[given[0]], _text(expression, f"{path}.{given[0]}"))


def _data(read_data: Callable[[str], str] | None, value: object, path: str) -> DataRows:
    table = _table(value, path)
    _refuse_unknown(table, ("csv", "file"), path)
    if len(table) != 1:
        raise LoadRefusedError(f"{path} has either csv, the rows themselves, or file")
    if "csv" in table:
        return data_of_csv(_text(table["csv"], f"{path}.csv"))
    name = _text(table["file"], f"{path}.file")
    if read_data is None:
        raise LoadRefusedError(
            f"{path}.file names {name[:80]!r}, which is not here; write its rows as {path}.csv"
        )
    return data_of_csv(read_data(name))


def _table(value: object, path: str) -> _Table:
    if not isinstance(value, dict):
        raise LoadRefusedError(f"{path} is a table, not {value!r}"[:200])
    return dict(value)


def _list(read: _Reader, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise LoadRefusedError(f"{path} is an array, not {value!r}"[:200])
    return tuple(read(one, f"{path}[{number}]") for number, one in enumerate(value, 1))


def _text(value: object, path: str) -> str:
    return _of_type(str, "a text", value, path)


def _flag(value: object, path: str) -> bool:
    return _of_type(bool, "true or false", value, path)


def _integer(value: object, path: str) -> int:
    if isinstance(value, bool):
        raise LoadRefusedError(f"{path} is a whole number, not {str(value).lower()}")
    return _of_type(int, "a whole number", value, path)


def _number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LoadRefusedError(f"{path} is a number, not {value!r}"[:200])
    try:
        return float(value)
    except OverflowError:
        raise LoadRefusedError(f"{path} is too large a number") from None


def _body_kind(value: object, path: str) -> BodyKind:
    try:
        return BodyKind(_text(value, path))
    except ValueError:
        raise LoadRefusedError(
            f"{path} is one of {', '.join(BodyKind)}, not {str(value)[:40]!r}"
        ) from None


def _of_type(of: type[Record], name: str, value: object, path: str) -> Record:
    if not isinstance(value, of):
        raise LoadRefusedError(f"{path} is {name}, not {value!r}"[:200])
    return value


_texts: Final = partial(_list, _text)
_READERS: Final[Mapping[Any, _Reader]] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: _number,
    BodyKind: _body_kind,
    tuple[str, ...]: _texts,
    tuple[float, ...]: partial(_list, _number),
    tuple[tuple[int, ...], ...]: partial(_list, partial(_list, _integer)),
}
"""By the type of a field."""


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], path: str) -> None:
    names = tuple(known)
    for key in table:
        if key not in names:
            raise LoadRefusedError(
                f"{_below(path, key)[:120]} is no key of a scenario; "
                f"{path or 'the file'} has: {', '.join(names)}"
            )


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _said(record: Any, leave_out: Iterable[str] = ()) -> _Table:
    """The fields that differ from their default."""
    return {
        one.name: value
        for one in fields(record)
        if one.name not in leave_out and (value := getattr(record, one.name)) != one.default
    }


def _step_table(step: Step) -> _Table:
    if isinstance(step, WebSocketStep):
        return _said(step) | {"target": step.target, "messages": step.messages}
    table: _Table = {"method": step.method, "target": step.target} | _said(step)
    if step.headers:
        headers = dict(step.headers)
        table["headers"] = headers if len(headers) == len(step.headers) else step.headers
    if step.carried:
        table["carried"] = [
            {"name": value.name, value.source.value: value.expression} for value in step.carried
        ]
    return table
