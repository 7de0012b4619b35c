"""The document around the pages: what the browser loads, in which order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dash

from components.delivery.sources import SCRIPTS, STYLE_SHEETS, Bundle
from components.delivery.static_files import ASSETS, SUITES, StaticFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

LOADED_FIRST: Final = ("below_prefix.js", "color_scheme.js")
"""The assets that run before the first paint."""

PLOTLY: Final = "vendor/plotly/plotly-scatter-bar-heatmap.min.js"
"""Plotly.js with the trace types of our figures, a quarter of the bytes of the one of Dash's own,
see `scripts/fetch_vendored.py`."""

GENERATORS: Final = "vendor/regenerator-runtime/runtime.js"
"""All that Dash's components need of the polyfills that Dash loads, see _UNUSED."""

VENDORED: Final = "vendor"
"""The folder of `assets` of which Dash loads nothing by itself."""

_INDEX: Final = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{%title%}</title>
        {%favicon%}
        <!-- loaded first -->
        {%css%}
    </head>
    <body>
        <noscript>Servescope draws its graphs in the browser: please allow scripts.</noscript>
        {%app_entry%}
        <footer>
            <!-- first load -->
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>
"""

_HEAD_MARK: Final = "<!-- loaded first -->"
_DATA_MARK: Final = "<!-- first load -->"
_FILE_OF_TAG: Final = re.compile(r'(<(?:script|link)\b[^>]*?\b(?:src|href)=")([^"]*)(")')
_SCRIPT: Final = re.compile(r'<script src="([^"]*)"></script>\n?')
_TABLES: Final = "/dash_ag_grid/"
_COMPILED_LONGEST: Final = "/dash_mantine_components/"
_UNUSED: Final = ("/dash_table/", "/polyfill@7")
"""Parts of Dash that no page needs: a deprecated table, and what browsers lacked before ES2017. Its
one part that is still called, by components whose code is loaded with the first of them, is
GENERATORS."""


class FingerprintingDash(dash.Dash):
    """Dash whose documents name each file with the fingerprint of its content.

    Our own scripts and style sheets are in a bundle each, which stands where Dash would have them.
    """

    def __init__(
        self, name: str, *, first_load: Callable[[dash.Dash], str], **options: Any
    ) -> None:
        """`first_load`: JSON that the document brings along, empty for none."""
        self._first_load = first_load
        super().__init__(
            name,
            index_string=_INDEX,
            assets_ignore=r"\.(js|css)$",  # the favicon is left
            assets_path_ignore=[VENDORED],
            **options,
        )
        folder = Path(self.config.assets_folder)
        self.static_files = StaticFiles(
            self.registered_paths,
            folder,
            self.config.requests_pathname_prefix,
            (
                Bundle(SCRIPTS, folder, frozenset(LOADED_FIRST), (GENERATORS,)),
                Bundle(STYLE_SHEETS, folder),
            ),
        )
        _replace_view(self.server, f"/{SUITES}", self.static_files.component_file)
        _replace_view(self.server, f"/{ASSETS}", self.static_files.asset)

    def interpolate_index(self, *, scripts: str, **parts: Any) -> str:  # type: ignore[override]
        """Write the document; Dash asks for it at each full page load, with all parts by name."""
        files = self.static_files
        document: str = super().interpolate_index(  # type: ignore[no-untyped-call]  # Dash has none
            scripts=body_scripts(scripts, files), **parts
        )
        styles = f'<link rel="stylesheet" href="{files.asset_url(STYLE_SHEETS)}">'
        document = document.replace(_HEAD_MARK, head_scripts(files) + styles)
        document = _FILE_OF_TAG.sub(lambda tag: tag[1] + files.url(tag[2]) + tag[3], document)
        return document.replace(_DATA_MARK, data_block("first-load", self._first_load(self)))


def data_block(element_id: str, text: str) -> str:
    """JSON as an element of the document that no browser runs; nothing for an empty text."""
    if not text:
        return ""
    shown = text.replace("<", "\\u003c")  # so that no text in it ends the element
    return f'<script type="application/json" id="{element_id}">{shown}</script>'


def head_scripts(files: StaticFiles) -> str:
    """The scripts in the head.

    Plotly is fetched beside those of the body and runs after them, so it is there when the first
    figures come.
    """
    below_prefix, color_scheme, plotly = map(files.asset_url, (*LOADED_FIRST, PLOTLY))
    tags = [f'<script src="{color_scheme}"></script>', f'<script defer src="{plotly}"></script>']
    if files.prefix != "/":
        tags.insert(0, f'<script src="{below_prefix}" data-prefix="{files.prefix}"></script>')
    return "".join(tags)


def body_scripts(scripts: str, files: StaticFiles) -> str:
    """Dash's scripts, with our own in the place of the code of tables.

    Ours load that code with the first table, and know where Plotly is. The one that a browser
    compiles longest, beside the main thread, comes last: those that do not need it run meanwhile.
    """

    def instead(tag: re.Match[str]) -> str:
        source = tag[1]
        if any(part in source for part in _UNUSED):
            return ""
        if _TABLES in source:
            own, plotly = files.asset_url(SCRIPTS), files.asset_url(PLOTLY)
            later = f'data-plotly="{plotly}" data-tables="{files.url(source)}"'
            return f'<script src="{own}" {later}></script>\n'
        return tag[0]

    return _last(_SCRIPT.sub(instead, scripts), _COMPILED_LONGEST)


def _last(scripts: str, part: str) -> str:
    """The scripts, with those of which the address has the part behind the others."""
    moved = [tag[0] for tag in _SCRIPT.finditer(scripts) if part in tag[1]]
    for tag in moved:
        scripts = scripts.replace(tag, "")
    return scripts + "".join(moved)


def _replace_view(flask: Flask, path: str, view: Any) -> None:
    """Put `view` in the place of the one view whose rule begins with `path`."""
    (endpoint,) = {
        rule.endpoint for rule in flask.url_map.iter_rules() if rule.rule.startswith(path)
    }
    flask.view_functions[endpoint] = view
