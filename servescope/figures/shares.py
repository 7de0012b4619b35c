"""How shares of one whole read beside each other: they add up, and none denies another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from servescope.figures import units

if TYPE_CHECKING:
    from collections.abc import Sequence

_TENTHS: Final = 1_000
"""Tenths of a percent in the whole."""

_EXACT: Final = 1e-6
"""Sums of shares differ from the whole by rounding up to this."""


def share_texts(shares: Sequence[float]) -> list[str]:
    """Each share to a tenth of a percent, such as `97.8 %`.

    Those that are the whole together read as 100 % in sum, by the method of the largest remainder.
    Something reads as no `0 %`, and less than all as no `100 %`: `< 0.1 %`, `> 99.9 %`.
    """
    exact = [share * _TENTHS for share in shares]
    if math.isclose(sum(shares), 1.0, abs_tol=_EXACT):
        tenths = [math.floor(one + _EXACT) for one in exact]
        by_remainder = sorted(range(len(exact)), key=lambda at: tenths[at] - exact[at])
        for at in by_remainder[: _TENTHS - sum(tenths)]:
            tenths[at] += 1
    else:
        tenths = [round(one) for one in exact]
    return units.column([_text(*one) for one in zip(shares, tenths, strict=True)])


def share_text(share: float) -> str:
    """One share as it reads among the others of its whole, see `share_texts`."""
    return share_texts([share, 1 - share])[0]


def _text(share: float, tenths: int) -> str:
    if share > 0 and not tenths:
        return "< 0.1 %"
    if tenths >= _TENTHS and share < 1:
        return "> 99.9 %"
    return f"{tenths / 10:.1f}".removesuffix(".0") + " %"
