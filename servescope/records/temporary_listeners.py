"""The names of listeners that are there only for a comparison or an experiment.

Pages show their requests there and leave them out of all other legends, tables and lists, unless a
person asks for the listener by its name.
"""

from __future__ import annotations

from typing import Final

from servescope.records.comparisons import NAME
from servescope.records.listeners import ConcurrencyModel

EXPERIMENT: Final = "learn"
"""The name of the listener that the experiment of a chapter goes to."""

NAMES: Final = (*(NAME.format(model) for model in ConcurrencyModel), EXPERIMENT)


def is_temporary(listener: str) -> bool:
    """Whether a listener of this name is there only for a while."""
    return listener in NAMES
