"""The hello-world app of the chapter Frameworks, live: the very program that it shows."""

from __future__ import annotations

from dash import dcc, html, register_page

from components.run_links import chapter_address
from servescope.chapters import frameworks
from servescope.demo.programs import dash_app

register_page(__name__, path="/hello-world", name="Hello, world", title="Hello, world · Servescope")


def layout(**_query: object) -> html.Div:
    """The layout of the program, whose callback is registered by its import."""
    return html.Div(
        [
            dash_app.layout,
            html.P(
                [
                    "This is the program of the chapter ",
                    dcc.Link(frameworks.CHAPTER.title, href=chapter_address(frameworks.CHAPTER)),
                    ". Each letter is a request: the browser sends it, and shows the answer.",
                ]
            ),
        ],
        className="no-live hello-world",
    )
