"""The two text formats that Prometheus scrapes.

OpenMetrics 1.0 (github.com/prometheus/OpenMetrics, specification) and the text format 0.0.4
(prometheus.io, "Exposition formats"). They differ in a counter's family name, in UNIT, in the
escaping of help, and in the end mark.

Histograms have classic cumulative buckets at every power of two from 2**-13 s (0.12 ms) to 2**4 s
(16 s): 19 with +Inf. Each bound is also one of the store's, so that every count is exact.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.catalog import Kind
from servescope.formats.prometheus_names import family_name, label_name, unit_of
from servescope.histogram import EDGES, MIN_EXPONENT, PER_OCTAVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.queries.scrape import Family, HistogramTotal
    from servescope.records.metrics import Labels

BOUND_EXPONENTS: Final = range(-13, 5)
_BOUND_INDEXES: Final = np.array(
    [(exponent - MIN_EXPONENT) * PER_OCTAVE for exponent in BOUND_EXPONENTS]
)
BOUNDS_S: Final = tuple(EDGES[_BOUND_INDEXES].tolist())
_BOUND_LABELS: Final = tuple(f'le="{bound!r}"' for bound in BOUNDS_S)


class TextFormat(Enum):
    """A format and its media type."""

    PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(families: Iterable[Family], form: TextFormat) -> bytes:
    """All families as text. Those without a point are left out."""
    lines: list[str] = []
    for family in families:
        if family.points:
            lines += _family(family, form)
    if form is TextFormat.OPENMETRICS:
        lines.append("# EOF")
    lines.append("")
    return "\n".join(lines).encode()


def _family(family: Family, form: TextFormat) -> list[str]:
    metric = family.metric
    name = family_name(metric)
    is_counter = metric.kind is Kind.COUNTER
    sample = f"{name}_total" if is_counter else name
    told = name if form is TextFormat.OPENMETRICS else sample
    explained = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if form is TextFormat.OPENMETRICS:
        explained = explained.replace('"', r"\"")
    lines = [f"# HELP {told} {explained}", f"# TYPE {told} {metric.kind}"]
    unit = unit_of(metric)
    if unit and form is TextFormat.OPENMETRICS:
        lines.append(f"# UNIT {told} {unit}")
    for labels, value in family.points:
        if isinstance(value, (int, float)):
            lines.append(f"{sample}{_braces(_pairs(labels))} {_number(value)}")
        else:
            lines += _histogram(name, _pairs(labels), value)
    return lines


def _histogram(name: str, pairs: str, value: HistogramTotal) -> list[str]:
    cumulated = np.cumsum(value.buckets)[_BOUND_INDEXES].tolist()
    count = int(value.buckets.sum())
    before = f"{name}_bucket{{{pairs}," if pairs else f"{name}_bucket{{"
    lines = [
        f"{before}{bound}}} {number}"
        for bound, number in zip(_BOUND_LABELS, cumulated, strict=True)
    ]
    lines.append(f'{before}le="+Inf"}} {count}')
    lines.append(f"{name}_sum{_braces(pairs)} {_number(value.sum_s)}")
    lines.append(f"{name}_count{_braces(pairs)} {count}")
    return lines


def _braces(pairs: str) -> str:
    return f"{{{pairs}}}" if pairs else ""


def _pairs(labels: Labels) -> str:
    """Labels as text. An empty value says the same as no label: it is left out."""
    return ",".join(f'{label_name(name)}="{_escaped(value)}"' for name, value in labels if value)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return repr(value)
