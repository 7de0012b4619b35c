"""A button that opens the formats in which something can be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc

from components.action_bar import needs_connection
from components.help import BUTTON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash import html


def format_menu(label: str, formats: Sequence[dmc.MenuItem]) -> html.Fieldset:
    """A menu behind a button with this label, which needs a connection; an item for each format."""
    return needs_connection(
        dmc.Menu(
            position="bottom-end",
            children=[
                dmc.MenuTarget(label, boxWrapperProps=BUTTON | {"className": "menu-button"}),
                dmc.MenuDropdown(list(formats)),
            ],
        )
    )
