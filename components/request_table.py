"""The request log as a table with its facets, and one request opened."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components.help import NOT_RECORDED, REQUESTS_ADVICE, attributes
from components.one_request import address_of, slower_than, status_of, title_of, where_time_went
from components.page_links import linked
from components.sorted_table import narrowing, page_buttons, sort_heading
from components.waterfall import MEANING
from servescope.figures import units
from servescope.figures.run_texts import KINDS
from servescope.figures.shares import share_texts
from servescope.queries.request_search import PAGE_ROWS
from servescope.queries.request_words import (
    NO_ANSWER,
    client_words,
    is_not_read,
    method_words,
    route_words,
    status_words,
)
from servescope.queries.traffic import TO_NOBODY
from servescope.recording.detail_threshold import DETAILS_PER_SECOND, ERRORS_PER_SECOND
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from dash.development.base_component import Component

    from servescope.queries.request_search import Facet, Found, Search
    from servescope.queries.rows import LogRow
    from servescope.queries.span import Span
    from servescope.records.server_kinds import ServerKind

SAMPLE: Final = (
    f"In each second, each process keeps in detail up to {ERRORS_PER_SECOND} errors and requests "
    "without an answer, each request that is slower than all before it in that second, and "
    f"{DETAILS_PER_SECOND} others. All requests are counted."
)
EMPTY: Final = "No request that is kept in this span matches."
NONE_KEPT: Final = "No request is kept in this span."
FACET_TITLES: Final = {
    "status": "Status",
    "stage": "Longest stage",
    "method": "Method",
    "route": "Route",
    "listener": "Listener",
    "client": "Client",
    "user_agent": "User agent",
}
NO_VALUE: Final = "none sent, or none read"
OF_READ: Final = ", of those read"
NO_STAGE: Final = "none: not read"
"""Stands for the longest stage of what was answered before a request was read."""

_COLUMNS: Final = (
    ("target", "Target", ""),
    ("took", "Took", "number"),
    ("status", "Status", "number"),
    ("", "Longest stage", ""),
    ("time", "Ended at", ""),
    ("listener", "Listener", ""),
    ("client", "Client", ""),
    ("sent", "Sent", "number"),
    ("", "Go on", ""),
)
"""Key of the order (see `request_search.ORDERS`), heading, class."""

_STEEPEST_FIRST: Final = {"took", "status", "time", "sent"}


def request_table(found: Found, search: Search, span: Span, *, can_come: bool = True) -> html.Div:
    """The rows of a page, below headings that sort; `can_come`: whether more requests can come."""
    if not found.rows:
        none_kept = f"{NONE_KEPT} {REQUESTS_ADVICE}" if can_come and not span.fixed else NONE_KEPT
        return html.Div(EMPTY if found.kept else linked(none_kept), className="dimmed")
    head = html.Tr([sort_heading(*column, search.order, _STEEPEST_FIRST) for column in _COLUMNS])
    scale = units.shared_scale("By", [row.bytes_sent for row in found.rows])
    took = units.column([units.text(row.total_s, "s") for row in found.rows])
    body = [_row(row, of_row, scale) for row, of_row in zip(found.rows, took, strict=True)]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)], className="requests"),
        className="rows clickable",
        **attributes(data_steady=_steady(search, span)),
    )


def _steady(search: Search, span: Span) -> str:
    """A text that is the same as long as the rows answer the same question (`plain_html.js`)."""
    return f"{zlib.crc32(repr((search, span if span.fixed else None)).encode()):08x}"


def counts_text(found: Found) -> str:
    """How many match, how many are kept, how many were counted, and what is missing."""
    if found.counted is None:
        return NOT_RECORDED
    said = (
        f"{counted(found.matching, 'request')} {'matches' if found.matching == 1 else 'match'}, of "
        f"{found.kept:,} that are kept in detail; {found.counted:,} were counted in this span"
    )
    if found.counted and found.counted_matching is not None:
        verb = "matches" if found.counted_matching == 1 else "match"
        said += f", of which {found.counted_matching:,} {verb}"
    said += "."
    if found.forgotten:
        said += f" Of the first {found.forgotten:,} of these no detail is kept any more."
    if found.is_cut:
        said += " More are kept: the newest were searched; choose a shorter span for the others."
    return said


def facets(found: Found, search: Search) -> list[html.Div]:
    """The values of each field among the requests that match; a click narrows the log to one."""
    parts: list[html.Div] = []
    for facet in found.facets:
        if not facet.values:
            continue
        title = "Status class" if facet.is_of_classes else FACET_TITLES[facet.field]
        if facet.field == "stage" and sum(one.count for one in facet.values) < found.matching:
            title += OF_READ
        parts.append(_facet(title, facet, str(getattr(search, facet.field))))
    return [html.Div(_shares_text(found), className="dimmed"), *parts] if parts else []


def _shares_text(found: Found) -> str:
    """Of which requests the shares beside the log are."""
    said = f"Shares of the {counted(found.matching, 'request')} that match"
    if found.counted is None or found.kept >= found.counted:
        return f"{said}."
    return (
        f"{said}, not of the traffic: in a second with few requests all are kept, in one with many "
        "only some. The graphs above count all."
    )


def chosen_values(search: Search) -> list[html.Button]:
    """The facets' values that narrow the log; a click takes one back."""
    return [
        html.Button(
            f"{title}: {_words(field, value)} \N{MULTIPLICATION SIGN}",
            type="button",
            className="chosen",
            **narrowing({field: ""}, f"No longer only {title.lower()} {_words(field, value)}"),
        )
        for field, title in FACET_TITLES.items()
        if (value := str(getattr(search, field)))
    ]


def _words(field: str, value: str) -> str:
    """The value of a facet as a person reads it."""
    if field == "method":
        return method_words(value)
    if field == "status":
        return status_words(value)
    if field == "client":
        return client_words(value)
    return route_words(value) if field == "route" else value


def pages(found: Found, search: Search) -> list[Component]:
    """The way to the page before and the one after, and how many rows a page has."""
    if found.matching <= PAGE_ROWS[0]:
        return []
    return [
        *page_buttons(found.page, found.pages, search.rows, found.matching),
        html.Span(
            [html.Span("Rows"), *(_rows_button(rows, search.rows) for rows in PAGE_ROWS)],
            className="page-rows",
        ),
    ]


def opened(row: LogRow, kind: ServerKind, unmeasured: Collection[str] = ()) -> html.Div:
    """Everything known of one request, its stages as a waterfall, and the ways on from it.

    `kind` is that of the server.
    """
    facts: dict[str, Component | str | int] = {
        "Status": status_of(row),
        "Ended at": html.Span(
            className="moment", **attributes(data_epoch_seconds=f"{row.end_s:.6f}")
        ),
        "Protocol": row.protocol,
        KINDS[kind]: row.listener,
        "Route": route_words(row.route),
        "Client": client_words(row.client),
        "User agent": row.user_agent or NO_VALUE,
        "Received": units.text(row.bytes_received, "By"),
        "Sent": units.text(row.bytes_sent, "By"),
        "Marks": ", ".join(row.flags) or "none",
    }
    return html.Div(
        [
            dmc.Title(title_of(row), order=3, size="h5", className="target"),
            html.Div(
                [dcc.Link("Open this request", href=address_of(row.id)), *ways_on(row)],
                className="ways-on",
            ),
            html.Dl(
                [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))],
                className="facts",
            ),
            dmc.Title("Where the time went", order=4, size="h6", mt="md", mb="xs"),
            where_time_went(row, unmeasured),
        ]
    )


def ways_on(row: LogRow) -> list[html.Button]:
    """From one request to those of its route and status, and to those that took longer."""
    return [
        html.Button(
            "Similar",
            type="button",
            className="way-on",
            **narrowing(
                {"listener": row.listener, "route": row.route, "status": _status_sought(row)},
                f"Requests of {route_words(row.route)} with {_with_status(row)}",
                anew=True,
            ),
        ),
        html.Button(
            "Slower",
            type="button",
            className="way-on",
            **narrowing(
                {"slower": slower_than(row), "order": "-took"},
                f"Requests that took longer than {units.text(row.total_s, 's')}",
                anew=True,
            ),
        ),
    ]


def _status_sought(row: LogRow) -> str:
    """The status by which the log finds a request and those like it."""
    return TO_NOBODY if row.is_to_nobody else str(row.status)


def _with_status(row: LogRow) -> str:
    if row.is_to_nobody:
        return TO_NOBODY
    return f"status {row.status}" if row.status else NO_ANSWER


def _row(row: LogRow, took: str, of_sizes: units.Scale) -> html.Tr:
    stage, longest_s = max(row.stages_s.items(), key=lambda one: one[1])
    in_stage = html.Td(f"{stage} {units.text(longest_s, 's')}", title=MEANING.get(stage, ""))
    if is_not_read(row.target):
        in_stage = html.Td(NO_STAGE, className="dimmed")
    state = {0: "bad", 4: "warn", 5: "bad"}.get(row.status // 100, "")
    state = state or ("warn" if row.is_to_nobody else "")
    return html.Tr(
        [
            html.Td(
                html.A(
                    title_of(row),
                    href=address_of(row.id),
                    title=row.target or None,
                ),
                className="target words" if is_not_read(row.target) else "target",
            ),
            html.Td(took, className="number took"),
            html.Td(_status(row, f"status {state}"), className="number"),
            in_stage,
            html.Td(html.Span(**attributes(data_epoch_seconds=f"{row.end_s:.6f}"))),
            html.Td(row.listener),
            html.Td(client_words(row.client)),
            html.Td(units.text_in(row.bytes_sent, of_sizes), className="number"),
            html.Td(ways_on(row), className="ways-on"),
        ],
        **attributes(data_request=str(row.id)),
    )


def _status(row: LogRow, class_name: str) -> html.Span:
    """Status code, and below it whether the answer reached nobody: the column stays narrow.

    On a phone, where there are no columns, both are in one line (`assets/app.css`).
    """
    parts: list[Component | str] = [status_words(row.status)]
    if row.is_to_nobody:
        parts.append(html.Span(TO_NOBODY, className="to-nobody"))
    return html.Span(parts, className=class_name)


def _facet(title: str, facet: Facet, chosen: str) -> html.Div:
    values = [
        html.Li(
            html.Button(
                [
                    html.Span(
                        _words(facet.field, one.value) or NO_VALUE,
                        className="value",
                        title=_words(facet.field, one.value) or None,
                    ),
                    html.Span(f"{one.count:,}"),
                    html.Span(share, className="share"),
                ],
                type="button",
                disabled=not one.value,
                style={"--share": f"{one.share:.4f}"},
                **attributes(
                    aria_pressed=str(bool(chosen) and one.value == chosen).lower(),
                    data_narrow=json.dumps({facet.field: one.value}),
                ),
            )
        )
        for one, share in zip(
            facet.values, share_texts([one.share for one in facet.values]), strict=True
        )
    ]
    further = [html.Li(f"and {facet.further:,} more", className="dimmed")] if facet.further else []
    return html.Div([html.H3(title), html.Ul([*values, *further])], className="facet")


def _rows_button(rows: int, shown: int) -> html.Button:
    return html.Button(
        str(rows),
        type="button",
        className="menu-button",
        disabled=rows == shown,
        **narrowing({"rows": str(rows)}, f"{rows} rows a page"),
        **attributes(aria_pressed=str(rows == shown).lower()),
    )
