"""Readings of metrics, their labels, and the hosts they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALL_HOSTS: Final = "*"
"""Stands for every host together where one is to be chosen."""

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name: hashable, so that a series is a dict key."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of a gauge or of a counter's increase, by its catalog name."""

    metric: str
    value: float
    labels: Labels = ()
