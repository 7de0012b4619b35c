"""The stages of requests as a table: how much of the time each takes, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.tables import figure_table, swatch
from servescope.figures import theme, units
from servescope.figures.shares import share_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash import html

    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.queries.rows import StageRow

NOT_MEASURED: Final = "not measured"
HELP: Final = (
    "Share: of the time in all stages. An app that records under another server does not measure "
    "what happens before it is called, nor always how its answer is sent."
)
_HEADINGS: Final = ("Stage", "Share", "Mean", "p50", "p95", "p99")


def stage_table(found: Sequence[StageRow], *, empty: str, label: str = "") -> html.Div:
    """A row for each stage; `empty` stands in their place where there are none."""
    measured = [row for row in found if row.is_measured]
    shares = dict(
        zip(
            (row.stage for row in measured),
            share_texts([row.share for row in measured]),
            strict=True,
        )
    )
    rows: list[list[Cell | Duration]] = [
        [
            swatch(row.stage, theme.MEANINGS.get(row.stage, theme.GREY)),
            shares.get(row.stage, NOT_MEASURED),
            *units.mean_and_percentiles(row.mean_s, row.p50_s, row.p95_s, row.p99_s),
        ]
        for row in found
    ]
    return figure_table(_HEADINGS, rows, empty=empty, label=label)
