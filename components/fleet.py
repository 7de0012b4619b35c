"""The hosts that send to the same engine, as a table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dash import dcc, html

from components.path_prefix import below_prefix
from components.tables import figure_table
from servescope.figures import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.queries.rows import HostRow

_HEADINGS = ("Host", "Last seen", "Requests", "Errors", "p95", "CPU", "Memory")
_LATE_S = 15.0
_HOURLY_S = 7200.0
_DAILY_S = 172_800.0


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
    if seconds < _LATE_S:
        return html.Span("now")
    return html.Span(f"silent for {_length(seconds)}", className="state failed")


def _length(seconds: float) -> str:
    if seconds >= _DAILY_S:
        return f"{seconds / 86_400:.0f} days"
    if seconds >= _HOURLY_S:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"  # noqa: PLR2004 - three digits
