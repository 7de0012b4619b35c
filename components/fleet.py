"""The hosts that send to the same engine, as a table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dash import dcc, html

from components.path_prefix import below_prefix
from components.tables import figure_table
from servescope.figures import units
from servescope.findings.moment import SILENT_FROM_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.queries.rows import HostRow

_HEADINGS = ("Host", "Last seen", "Requests", "Errors", "p95", "CPU", "Memory")


def fleet_table(rows: Sequence[HostRow]) -> html.Div:
    """A row for each host; its name leads to the overview of its figures."""
    now = time.time()
    return figure_table(
        _HEADINGS, [_row(row, now) for row in rows], empty="One host only.", words=2
    )


def _row(row: HostRow, now: float) -> list[str | dcc.Link | html.Span | units.Duration]:
    host = urlencode({"host": "" if row.is_home else row.host})
    name = f"{row.host} (this host)" if row.is_home else row.host
    return [
        dcc.Link(name, href=f"{below_prefix('/')}?{host}"),
        _last_seen(now - (row.newest_s + 1)),
        units.text(row.answers_per_s, "{request}/s"),
        units.text(row.error_ratio, "1"),
        units.Duration.of_percentile(row.p95_s),
        units.text(row.cpu_utilization, "1"),
        units.text(row.memory_utilization, "1"),
    ]


def _last_seen(seconds: float) -> html.Span:
    """When the host last sent; one that is silent stands out."""
    if seconds < SILENT_FROM_S:
        return html.Span("now")
    return html.Span(f"silent for {units.length(round(seconds))}", className="state failed")
