"""The control that takes a page's figures away as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc

from components.format_menu import format_menu
from components.help import attributes
from components.path_prefix import below_prefix
from servescope.formats.tables import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash import html

LABELS: Final = {"csv": "CSV", "json": "JSON", "parquet": "Parquet"}


def export_menu(
    page: str, metrics: Sequence[str], run_id: int | None = None
) -> html.Fieldset | None:
    """A menu of formats for a page's metrics over the span it shows; None when it has none.

    On the page of a load run they are that run's figures, which may have been measured elsewhere.
    `assets/export.js` follows the link of an item, with the span of that moment.
    """
    if not metrics:
        return None
    return format_menu(
        "Export",
        [
            dmc.MenuItem(
                LABELS[name],
                id=f"{page}-export-{name}",
                **attributes(data_export=_link(page, metrics, name, run_id)),
            )
            for name in FORMATS
        ],
    )


def _link(page: str, metrics: Sequence[str], form: str, run_id: int | None) -> str:
    asked = [("metric", name) for name in metrics]
    of = ("title", page) if run_id is None else ("run", str(run_id))
    query = urlencode([*asked, of, ("format", form)])
    return f"{below_prefix('/export')}?{query}"
