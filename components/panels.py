"""Panels of a page: graphs, tables, and the page's own frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html

from components.export_menu import export_menu
from components.graph_tools import KEYS, announcement, event_filter, graph_tools
from components.help import attributes, help_mark
from components.page_links import linked
from components.plain_html import tree
from servescope.figures import units
from servescope.queries.traffic import listener_names, recorded_names
from servescope.records.temporary_listeners import is_temporary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.live import LiveGraph, LivePage
    from servescope.queries.context import QueryContext

COLUMNS: Final = {"base": 1, "lg": 2}
HEADING_PX: Final = 36
ROW_PX: Final = 34
CARD_COLUMNS: Final = {"base": 2, "sm": 3, "lg": 4, "xl": 8}


def page_frame(page: LivePage, title: Any, *children: Any, controls: Any = None) -> html.Div:
    """A live page: its stores, its heading with controls beside it, its panels."""
    shown = controls if isinstance(controls, list) else [controls]
    heading = html.Div(
        [
            dmc.Title(title, order=1, size="h3"),
            html.Div(
                [
                    *shown,
                    event_filter() if page.graphs else None,
                    # The figures of one thing may be in a store of their own: its page offers them.
                    None if page.subject else export_menu(page.name, page.metrics),
                ],
                className="controls",
            ),
        ],
        className="page-heading",
    )
    return html.Div(
        className="live-page",
        children=[
            dcc.Store(id=f"{page.name}-delta"),
            dcc.Store(id=f"{page.name}-cursor"),
            dcc.Store(id=f"{page.name}-kept"),
            heading,
            *children,
            announcement(),
        ],
    )


def judgement(element_id: str) -> html.Div:
    """A place for what is concluded from the newest figures.

    `assets/live_answer.js` says in its stead that nothing is known while the page is not current.
    """
    return html.Div(
        [
            html.Div(id=element_id, className="judged"),
            html.Div(className="verdict unknown unknown-now", role="status"),
        ]
    )


def graph_panel(graph: LiveGraph) -> dmc.Card:
    """A graph with its heading, help and legend; the browser draws into it."""
    return dmc.Card(
        withBorder=True,
        padding="sm",
        className="panel wide" if graph.wide else "panel",
        children=[
            html.Div(
                [
                    dmc.Title(graph.title, order=2, size="h6"),
                    html.Div([graph_tools(graph), help_mark(graph.help)], className="heading-end"),
                ],
                className="card-heading",
            ),
            html.Div(id=f"{graph.id}-legend", className="legend"),
            html.Div(
                id=graph.id,
                className="live-graph",
                style={"height": graph.height},
                role="application",  # a screen reader leaves the arrow keys to it
                tabIndex=0,
                **attributes(
                    aria_label=graph.title,
                    aria_roledescription="graph",
                    aria_describedby=KEYS,
                    data_empty=graph.empty,
                    data_advice=json.dumps(tree(linked(graph.advice) or None)),
                    data_state="waiting",
                ),
            ),
        ],
    )


NOW: Final[dict[str, Any]] = {"data-of": "now"}
"""Marks a part of a page that is of now, whatever span the page shows; it holds a `now_mark`."""


def now_mark() -> html.Span:
    """Says that what stands beside it is of now; in sight while the view is of another span."""
    return html.Span("now", className="now-mark")


def panel(
    title: str,
    explained: str,
    *children: Any,
    wide: bool = False,
    panel_id: str = "",
    of_now: bool = False,
) -> dmc.Card:
    """Any other panel; one with an id can be jumped to.

    With `of_now` it shows what is, whatever span the view has, and is marked so.
    """
    return dmc.Card(
        **({"id": panel_id} if panel_id else {}),
        **(NOW if of_now else {}),
        withBorder=True,
        padding="sm",
        className="panel wide" if wide else "panel",
        children=[
            html.Div(
                [
                    dmc.Title(title, order=2, size="h6"),
                    html.Span(
                        [
                            *([now_mark()] if of_now else []),
                            html.Span(className="as-of"),
                            help_mark(explained),
                        ],
                        className="heading-end",
                    ),
                ],
                className="card-heading",
            ),
            *children,
        ],
    )


def columns(*children: Any) -> dmc.SimpleGrid:
    """Panels side by side where there is room, else one below the other."""
    return dmc.SimpleGrid(cols=COLUMNS, spacing="sm", verticalSpacing="sm", children=list(children))


def grid(
    grid_id: str,
    column_defs: Sequence[dict[str, Any]],
    *,
    height: int,
    empty: str,
) -> dag.AgGrid:
    """A table that scrolls inside its panel; each row has a `key`, a text of its own."""
    return dag.AgGrid(
        id=grid_id,
        columnDefs=list(column_defs),
        defaultColDef={"sortable": True, "resizable": True, "minWidth": 70},
        rowData=None,  # not yet known; an empty list says that there is nothing
        getRowId="params.data.key",
        columnSize="responsiveSizeToFit",
        style={"height": height},
        dashGridOptions=_grid_options(empty, "normal"),
    )


def grid_rows(
    rows: Sequence[dict[str, Any]], *, height: int, empty: str, empty_height: int = 0
) -> dict[str, Any]:
    """Properties of a `grid` with these rows: as high as they are, and scrolling above `height`.

    Without rows it is `empty_height` high, which has to hold the sentence that there are none.
    """
    is_low = bool(rows) and HEADING_PX + len(rows) * ROW_PX < height
    fixed = height if rows or not empty_height else empty_height
    return {
        "rowData": list(rows),
        "style": {} if is_low else {"height": fixed},
        # As a whole: an option that is left out is taken back.
        "dashGridOptions": _grid_options(empty, "autoHeight" if is_low else "normal"),
    }


def _grid_options(empty: str, layout: str) -> dict[str, Any]:
    return {
        "animateRows": False,
        "headerHeight": HEADING_PX,
        "rowHeight": ROW_PX,
        "suppressCellFocus": False,
        "tabToNextCell": {"function": "leaveTable(params)"},
        "localeText": {"noRowsToShow": empty, "loadingOoo": "Loading…"},
        "domLayout": layout,
    }


def text_column(name: str, heading: str, **further: Any) -> dict[str, Any]:
    """A column of texts and numbers of things; where there is none, a dash stands."""
    shown = f"params.value || '{units.NOTHING}'"
    return {
        "field": name,
        "headerName": heading,
        "valueFormatter": {"function": shown},
        **further,
    }


def phone_column(column: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A column that comes first on a phone, with these changes (`assets/load_tables.js`).

    A row is read by such columns: a phone has 330 px for all of them.
    """
    return column | {"context": {"phone": {"flex": 0, **changes}}}


def number_column(name: str, heading: str, *, shown: str = "", width: int = 90) -> dict[str, Any]:
    """A column of numbers, sorted by `name`; `shown` is the field that holds them as text."""
    text = f"params.data.{shown}" if shown else "d3.format(',')(params.value)"
    return {
        "field": name,
        "headerName": heading,
        "minWidth": width,
        "type": "rightAligned",
        "cellClass": "number",
        "valueFormatter": {"function": f"params.value == null ? '{units.NOTHING}' : {text}"},
    }


def listener_select(select_id: str, chosen: str = "") -> dmc.Select:
    """Narrows a page to one listener, at first the `chosen`; the page's props fill its `data`."""
    return dmc.Select(
        id=select_id,
        data=[chosen] if chosen else [],
        value=chosen or None,
        placeholder="All listeners",
        clearable=True,
        size="sm",
        w=190,
        **attributes(aria_label="Listener"),
    )


def listener_options(
    select_id: str, context: QueryContext, chosen: str
) -> dict[str, dict[str, Any]]:
    """The options of a listener select, as props.

    The `chosen` one is among them, even one that was there for a comparison or an experiment alone:
    a select drops the value that it has no option for. One that is not there now says so.
    """
    names = [*listener_names(context), *recorded_names(context)]
    extra: list[str | dict[str, str]] = []
    if chosen and chosen not in names:
        label = chosen if is_temporary(chosen) else f"{chosen} (not here)"
        extra = [{"value": chosen, "label": label}]
    return {select_id: {"data": [*names, *extra]}}
