"""What stands where no page is."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import dcc, html, page_registry, register_page

register_page(__name__, name="Not found", title="Page not found · Servescope")


def layout(**_query: str) -> html.Div:
    """Say so, and where else to go."""
    links = [
        html.Li(dcc.Link(page["name"], href=page["relative_path"]))
        for page in page_registry.values()
        if "icon" in page
    ]
    return html.Div(
        className="no-live not-found",
        children=[
            dmc.Title("There is no such page", order=1, size="h3", mt="lg"),
            dmc.Text("The address may be mistyped, or the page has moved. These are here:"),
            html.Ul(links),
        ],
    )
