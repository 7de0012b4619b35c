"""A figure that a callback draws once, without cursor and time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import dcc, html

from components.help import attributes

if TYPE_CHECKING:
    from servescope.figures.theme import Figure


def static_graph(title: str, figure: Figure, height: int, told: str) -> html.Div:
    """The figure below its title; `told` says to a screen reader what it shows."""
    return html.Div(
        [
            html.B(title),
            dcc.Graph(
                figure=figure,
                config={"displayModeBar": False, "responsive": True},
                style={"height": height},
            ),
        ],
        role="img",
        **attributes(aria_label=told),
    )


def colour_key(name: str, colour: str) -> html.Span:
    """A name beside the colour that it has in the figure."""
    return html.Span([html.I(style={"borderColor": colour}), html.Span(name)], className="key")
