"""The page that stands where no page is."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html, register_page

from components.navigation import pages_below, pages_in_navigation

register_page(__name__, name="Not found", title="Page not found · Servescope")


def layout(**_query: str) -> html.Div:
    """Say so, and where else to go."""
    links = [_entry(page) for page in pages_in_navigation()]
    return html.Div(
        className="no-live not-found",
        children=[
            dmc.Title("There is no such page", order=1, size="h3", mt="lg"),
            dmc.Text("The address may be mistyped, or the page has moved. These are here:"),
            html.Ul(links),
        ],
    )


def _entry(page: dict[str, Any]) -> html.Li:
    """A page of the navigation, and in a list of their own those below it."""
    below = [_entry(one) for one in pages_below(page)]
    link = dcc.Link(page["name"], href=page["relative_path"])
    return html.Li([link, html.Ul(below)] if below else link)
