"""The time axis of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Steps:
    """Whole multiples of `step` that cover `[start, end)`, all in epoch seconds."""

    start: int
    end: int
    step: int

    @property
    def first(self) -> int:
        """Begin of the first step."""
        return self.start // self.step * self.step

    @property
    def times(self) -> NDArray[np.int64]:
        """Begin of each step, shape (T,)."""
        return self.first + self.step * np.arange(len(self), dtype=np.int64)

    def __len__(self) -> int:
        return -(-(self.end - self.first) // self.step) if self.start < self.end else 0

    def index_of(self, ts: int) -> int:
        """The number of the step that a second lies in, counted from the first."""
        return int(ts - self.first) // self.step
