"""The control that takes a page's figures away as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc

from components.help import BUTTON, attributes
from components.path_prefix import below_prefix
from servescope.formats.tables import FORMATS

if TYPE_CHECKING:
    from components.live import LivePage

LABELS: Final = {"csv": "CSV", "json": "JSON", "parquet": "Parquet"}


def export_menu(page: LivePage) -> dmc.Menu | None:
    """A menu of formats for the page's metrics over the span it shows; None when it has none.

    `assets/export.js` follows the link of an item, with the span of that moment.
    """
    if not page.metrics:
        return None
    return dmc.Menu(
        position="bottom-end",
        children=[
            dmc.MenuTarget("Export", boxWrapperProps=BUTTON | {"className": "menu-button"}),
            dmc.MenuDropdown(
                [
                    dmc.MenuItem(
                        LABELS[name],
                        id=f"{page.name}-export-{name}",
                        **attributes(data_export=_link(page, name)),
                    )
                    for name in FORMATS
                ]
            ),
        ],
    )


def _link(page: LivePage, form: str) -> str:
    asked = [("metric", name) for name in page.metrics]
    query = urlencode([*asked, ("title", page.name), ("format", form)])
    return f"{below_prefix('/export')}?{query}"
