"""A small question mark that explains a heading, by pointer, by keyboard and by touch."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from components.attributes import attributes


def help_mark(text: str) -> dmc.Tooltip:
    """The mark; the text is a sentence or two."""
    return dmc.Tooltip(
        label=text,
        multiline=True,
        w=280,
        withArrow=True,
        position="top",
        events={"hover": True, "focus": True, "touch": True},
        children=html.Button(
            "?", type="button", className="help-mark", **attributes(aria_label=f"Help: {text}")
        ),
    )
