"""The order to an export's process, on its standard input: one JSON line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.exports.writing import ExportSource
from servescope.queries.export import Wanted, metrics_named
from servescope.queries.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

IDLE_S: Final = 60
"""Seconds after which an export ends when no byte of it was made, or none taken."""

LONGEST_S: Final = 1_800
"""Seconds that an export may take, however slow the client reads it."""

REFUSED: Final = 3
"""The process's exit status when standard error has one sentence for a person."""


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An export that was checked: `metrics` by name over [start, end), epoch seconds."""

    source: ExportSource
    metrics: Sequence[str]
    start: int
    end: int
    step: int
    format: str

    @classmethod
    def of(cls, source: ExportSource, asked: Wanted, form: str) -> ExportOrder:
        """The order to write what was asked for in the format of this name."""
        names = [metric.name for metric in asked.metrics]
        span = asked.span
        return cls(source, names, span.start, span.end, span.step, form)

    def wanted(self) -> Wanted:
        """The export as the queries take it."""
        return Wanted(metrics_named(self.metrics), Span(self.start, self.end, self.step), "")

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> ExportOrder:
        """The order in a line; raises ValueError, KeyError or TypeError when there is none."""
        values: dict[str, Any] = json.loads(line)
        return cls(**{**values, "source": ExportSource(**values["source"])})


@dataclass(frozen=True, slots=True)
class RunExportOrder:
    """A load run by its number, in the format of this name (`run_writing.RUN_FORMATS`)."""

    source: ExportSource
    run_id: int
    format: str

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> RunExportOrder:
        """The order in a line; raises ValueError, KeyError or TypeError when there is none."""
        values: dict[str, Any] = json.loads(line)
        return cls(**{**values, "source": ExportSource(**values["source"])})


def read_order(line: bytes) -> ExportOrder | RunExportOrder:
    """The order in a line, of whichever kind."""
    kind = RunExportOrder if "run_id" in json.loads(line) else ExportOrder
    return kind.from_line(line)
