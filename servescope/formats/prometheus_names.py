"""OpenTelemetry names in Prometheus' world.

By "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification: characters outside
`[a-zA-Z0-9_:]` become underscores, the unit is spelled out as a suffix, a ratio only of a gauge;
units in braces are annotations and leave no trace. A counter's samples end with `_total`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from servescope.catalog import Kind

if TYPE_CHECKING:
    from servescope.catalog import Metric

UNITS: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}
"""UCUM codes of the catalog, spelled as Prometheus spells its base units."""

_OUTSIDE: Final = re.compile(r"[^a-zA-Z0-9_:]+")
_OUTSIDE_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]+")


def unit_of(metric: Metric) -> str:
    """The unit's suffix, empty for none. Raises KeyError on a unit that has no spelling here."""
    if metric.unit.startswith("{") or (metric.unit == "1" and metric.kind is not Kind.GAUGE):
        return ""
    return UNITS[metric.unit]


@cache
def family_name(metric: Metric) -> str:
    """The name of the metric family, as OpenMetrics has it: without a counter's `_total`."""
    name = _OUTSIDE.sub("_", metric.name)
    unit = unit_of(metric)
    return f"{name}_{unit}" if unit and not name.endswith(f"_{unit}") else name


@cache
def label_name(name: str) -> str:
    return _OUTSIDE_LABEL.sub("_", name)
