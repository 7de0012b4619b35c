"""A figure that a callback draws once, without cursor and time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import dcc, html

from components.help import attributes
from servescope.figures.overlaid_distributions import HEIGHT, overlaid_distributions, styles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.figures.theme import Figure

_BORDERS: Final = {"dash": "dashed", "dot": "dotted", "longdash": "dashed"}
"""Styles of a border in CSS, by the dash of a line in a figure."""

_FILLED: Final = ("bar", "diamond")


def static_graph(
    title: str, figure: Figure, height: int, told: str, *, across: str = ""
) -> html.Div:
    """The figure below its title; `told` says to a screen reader what it shows.

    `across` names the horizontal axis, below it.
    """
    return html.Div(
        [
            html.B(title),
            dcc.Graph(
                figure=figure,
                config={"displayModeBar": False, "responsive": True},
                style={"height": height},
            ),
            *([html.Div(across, className="axis-name dimmed")] if across else []),
        ],
        role="img",
        **attributes(aria_label=told),
    )


def colour_key(name: str, colour: str, shape: str = "solid") -> html.Span:
    """A name beside the colour and the shape that it has in the figure.

    The shape is the dash of a line, or "bar" or "diamond".
    """
    if shape in _FILLED:
        sign = html.I(className=shape, style={"backgroundColor": colour})
    else:
        sign = html.I(style={"borderColor": colour, "borderTopStyle": _BORDERS.get(shape, shape)})
    return html.Span([sign, html.Span(name)], className="key")


def overlaid(title: str, counts_by_name: Mapping[str, Sequence[int]], told: str) -> html.Div:
    """Distributions of latency over each other, with a key; `told` as `static_graph` has it.

    The counts are those of `servescope.histogram`; series without any are left out.
    """
    keys = [
        colour_key(*style)
        for style in styles(list(counts_by_name))
        if sum(counts_by_name[style[0]])
    ]
    return html.Div(
        [
            html.Div(keys, className="comparison-legend"),
            static_graph(title, overlaid_distributions(counts_by_name), HEIGHT, told),
        ]
    )
