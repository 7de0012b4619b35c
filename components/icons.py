"""Icons as data URIs: drawn for this project, no request leaves the host.

An icon is a CSS mask, so that it takes the colour of the text it stands in.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from dash import html

from components.help import attributes

PATHS: Final = {
    "overview": "M4 18a8 8 0 1 1 16 0M12 18l4-6M4 18h16",
    "requests": "M3 7h13m-4-4 4 4-4 4M21 17H8m4-4-4 4 4 4",
    "latency": "M12 4a9 9 0 1 0 .01 0M12 8v5l4 2",
    "ports": "M5 4v7a7 7 0 0 0 14 0V4M9 4v4m6-4v4M12 18v3",
    "host": "M6 6h12v12H6zM9 2v4m6-4v4M9 18v4m6-4v4M2 9h4m-4 6h4m12-6h4m-4 6h4",
    "load": "M3 19h4v-5h5V9h5V4h4",
    "servers": "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
    "learn": "M2 6c4-1 7 0 10 2 3-2 6-3 10-2v13c-4-1-7 0-10 2-3-2-6-3-10-2zM12 8v13",
    "page": "M6 3h8l4 4v14H6zM14 3v4h4",
    "scheme": "M12 3a9 9 0 1 0 .01 0M12 3v18M12 7h5.6M12 12h9M12 17h5.6",
}
"""Path data on a grid of 24 by 24, stroked, 2 units wide."""


def icon(name: str, size: int = 18) -> html.Span:
    """The icon of this name, `page` when there is none; `size` in pixels."""
    path = PATHS.get(name, PATHS["page"])
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" '
        f'stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="{path}"/></svg>'
    )
    source = f'url("data:image/svg+xml,{quote(svg)}")'
    style = {"maskImage": source, "WebkitMaskImage": source, "width": size, "height": size}
    return html.Span(className="icon", style=style, **attributes(aria_hidden="true"))
