"""The control that takes a load run away as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc

from components.format_menu import format_menu
from components.help import attributes
from components.path_prefix import below_prefix
from servescope.run_files.archive import SUFFIX

if TYPE_CHECKING:
    from dash import html

    from servescope.records.load import LoadRun

LABELS: Final = {
    SUFFIX: "Run file: plan, result and series (.servescope)",
    "html": "Report to read and print (HTML)",
    "csv": "Result (CSV)",
    "json": "Result (JSON)",
}
"""By the name of the format, `exports.run_writing.RUN_FORMATS`."""


def run_export_menu(run: LoadRun) -> html.Fieldset:
    """A menu of the formats of a run that is over; `assets/export.js` follows an item's link."""
    return format_menu(
        "Export run",
        [
            dmc.MenuItem(label, **attributes(data_download=_link(run, name)))
            for name, label in LABELS.items()
        ],
    )


def _link(run: LoadRun, form: str) -> str:
    return f"{below_prefix(f'/runs/{run.id}/export')}?format={form}"
