"""The request log as a table, and one request opened."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import panels
from components.one_request import address_of
from components.waterfall import waterfall
from servescope.figures import units

if TYPE_CHECKING:
    import dash_ag_grid as dag

    from servescope.queries.rows import LogRow

COLUMNS: Final = (
    {
        "field": "end_s",
        "headerName": "Answered at",
        "minWidth": 120,
        "valueFormatter": {"function": "clock(params.value)"},
    },
    {
        "field": "status",
        "headerName": "Status",
        "minWidth": 105,
        "maxWidth": 120,
        "filter": "agNumberColumnFilter",
        "cellClassRules": {
            "warn": "params.value >= 400 && params.value < 500",
            "bad": "params.value >= 500",
        },
    },
    {"field": "method", "headerName": "Method", "minWidth": 85, "maxWidth": 110},
    {
        "field": "target",
        "headerName": "Target",
        "minWidth": 180,
        "flex": 2,
        "filter": "agTextColumnFilter",
        "tooltipField": "target",
    },
    panels.number_column("total_s", "Took", shown="total"),
    panels.number_column("bytes_sent", "Sent", shown="sent"),
    {"field": "listener", "headerName": "Listener", "minWidth": 90, "maxWidth": 120},
    {"field": "client", "headerName": "Client", "minWidth": 110, "filter": "agTextColumnFilter"},
)

MOST_AMOUNT: Final = 2**63
_TEXTS: Final = ("protocol", "listener", "route", "client", "user_agent", "method", "target")
_AMOUNTS: Final = ("id", "status", "bytes_received", "bytes_sent")


def request_table(table_id: str) -> dag.AgGrid:
    """The table; a feed fills it, a click on a row selects it, Enter and the space bar do too."""
    return panels.grid(
        table_id,
        COLUMNS,
        height=420,
        empty="No requests in the log: open a listener, or start demo load.",
        options={
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True}
        },
        listeners={"cellKeyDown": ["selectOnEnter(params)"]},
    )


def table_row(row: LogRow) -> dict[str, Any]:
    """A row with what the table shows as text beside what it sorts by."""
    return asdict(row) | {
        "key": str(row.id),
        "total": units.text(row.total_s, "s"),
        "sent": units.text(row.bytes_sent, "By"),
    }


def matches(row: LogRow, listener: str, status_class: str) -> bool:
    """Whether a row is of this listener and class of status, e.g. `4xx`; empty matches all."""
    return (not listener or row.listener == listener) and (
        not status_class or str(row.status)[:1] == status_class[:1]
    )


def is_row(given: dict[str, Any]) -> bool:
    """Whether this is a row as `table_row` made it, though a browser sent it."""
    stages = given.get("stages_s")
    return (
        all(isinstance(given.get(name), str) for name in _TEXTS)
        and all(_is_amount(given.get(name)) for name in _AMOUNTS)
        and isinstance(given.get("flags"), list)
        and all(isinstance(flag, str) for flag in given["flags"])
        and isinstance(stages, dict)
        and all(_is_amount(seconds) for seconds in stages.values())
    )


def _is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < MOST_AMOUNT


def opened(row: dict[str, Any]) -> html.Div:
    """Everything known of one request, its stages as a waterfall."""
    facts = {
        "Status": row["status"],
        "Protocol": row["protocol"],
        "Listener": row["listener"],
        "Route": row["route"],
        "Client": row["client"],
        "User agent": row["user_agent"] or "none sent",
        "Received": units.text(row["bytes_received"], "By"),
        "Sent": units.text(row["bytes_sent"], "By"),
        "Marks": ", ".join(row["flags"]) or "none",
    }
    return html.Div(
        [
            dmc.Title(f"{row['method']} {row['target']}", order=3, size="h5", className="target"),
            dcc.Link("Open this request", href=address_of(int(row["id"]))),
            html.Dl(
                [
                    part
                    for name, value in facts.items()
                    for part in (html.Dt(name), html.Dd(str(value)))
                ],
                className="facts",
            ),
            dmc.Title("Where the time went", order=4, size="h6", mt="md", mb="xs"),
            waterfall(row["stages_s"]),
        ]
    )
