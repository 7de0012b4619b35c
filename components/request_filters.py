"""The fields that narrow the request log, and what they came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import dcc, html

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITTEN: Final = {
    "requests-text": ("Target contains", "/api, POST /api"),
    "requests-slower": ("Slower than", "50 ms"),
    "requests-faster": ("At most", "1 s"),
    "requests-over": ("A stage longer than", "10 ms"),
    "requests-client": ("Client", "192.0.2.7"),
}
"""Fields that a person writes into: label and example. All others are set by a click."""

DEBOUNCE_MS: Final = 500


def request_filters(values: Mapping[str, str]) -> html.Div:
    """A field for each filter, by id with its value: written ones in sight, the others hidden."""
    written = [
        dmc.TextInput(
            id=name,
            label=label,
            placeholder=example,
            value=values[name],
            debounce=DEBOUNCE_MS,
            size="sm",
            autoComplete="off",
        )
        for name, (label, example) in WRITTEN.items()
    ]
    hidden = [
        dcc.Input(id=name, type="hidden", value=value)
        for name, value in values.items()
        if name not in WRITTEN
    ]
    return html.Div(
        [
            html.Div(written, className="request-filters"),
            *hidden,
            html.Div(id="requests-faults", className="time-said", role="alert"),
            html.Div(id="requests-narrowed", className="narrowed"),
            html.P(id="requests-counts", role="status"),
        ]
    )
