"""Chapters that answer a question about web servers by an experiment on a real one."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import Input, Output, callback, html, register_page

from components.chapter import TRIED, chapter_list, tried_store

register_page(
    __name__, path="/learn", name="Learn", title="Learn · Servescope", order=80, icon="learn"
)


@callback(Output("learn-chapters", "children"), Input(TRIED, "data"))
def mark_tried(tried: object) -> html.Ol:
    """The list, with a mark at the chapters that were tried in this browser."""
    return chapter_list(tried if isinstance(tried, dict) else {})


def layout(**_query: object) -> html.Div:
    """All chapters."""
    return html.Div(
        className="no-live",
        children=[
            dmc.Title("Learn", order=1, size="h3", mt="lg"),
            html.P(
                "Each chapter asks a question. You guess. Then a real server on this machine does "
                "it, and you see your guess beside what the theory says and what was measured. "
                "Begin with the first chapter if web servers are new to you."
            ),
            tried_store(),
            html.Div(chapter_list([]), id="learn-chapters"),
        ],
    )
