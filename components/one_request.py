"""One request opened: where it came from, and where its time went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import dcc, html

from components import panels
from components.help import attributes
from components.path_prefix import below_prefix
from components.waterfall import WHOLE, waterfall
from servescope.figures import units
from servescope.figures.run_texts import KINDS
from servescope.histogram import GROWTH
from servescope.queries.request_words import (
    client_words,
    is_not_read,
    is_turned_away,
    request_words,
    route_words,
    status_words,
)
from servescope.queries.requests import HALF_SPAN_S
from servescope.queries.traffic import TO_NOBODY
from servescope.sentences import counted
from servescope.wire import cipher_suites

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dash.development.base_component import Component

    from servescope.queries.rows import LogRow, RequestSurroundings, UsualDurations
    from servescope.records.server_kinds import ServerKind
    from servescope.store.base import KeptDetails

ADDRESS: Final = "/requests/"
AROUND_S: Final = 30
"""How far the graphs and requests of then reach before and after a request."""

_UNKNOWN: Final = "not recorded"
_PERCENT: Final = 100


def address_of(detail_id: int) -> str:
    """The URL path of the page of one request."""
    return below_prefix(f"{ADDRESS}{detail_id}")


def title_of(row: LogRow) -> str:
    """Method and target, or why there are none."""
    return request_words(row.method, row.target, row.status)


def status_of(row: LogRow) -> str:
    """The status of the answer, and whether it reached nobody; or that there was none."""
    words = status_words(row.status)
    return f"{words}, {TO_NOBODY}" if row.is_to_nobody else words


def heading(row: LogRow) -> html.Div:
    """Method and target, and the ways on; the header says of when the page is."""
    return html.Div(
        [
            dmc.Title(title_of(row), order=1, size="h3", className="target"),
            html.Div(
                [dcc.Link(title, href=address) for title, address in _ways_on(row).items()],
                className="controls",
            ),
        ],
        className="page-heading",
        **attributes(data_record_of=f"{row.end_s:.6f}"),
    )


def _ways_on(row: LogRow) -> dict[str, str]:
    """Addresses of the requests and graphs around this one, by their titles."""
    end = int(row.end_s)
    moment: dict[str, object] = {"from": end - AROUND_S, "to": end + AROUND_S}
    hour: dict[str, object] = {"from": end - HALF_SPAN_S, "to": end + HALF_SPAN_S}
    like: dict[str, object] = {"listener": row.listener, "route": row.route, "status": row.status}
    slower: dict[str, object] = {"slower": slower_than(row), "order": "-took"}
    return {
        "Graphs then": _address("/", moment),
        "Requests then": _address("/requests", moment, "#log"),
        "Similar": _address("/requests", like | hour, "#log"),
        "Slower": _address("/requests", slower | hour, "#log"),
        "All requests": below_prefix("/requests"),
    }


def slower_than(row: LogRow) -> str:
    """The duration that a slower request exceeds, as the request log reads it."""
    return f"{row.total_s * 1e3:.6g} ms"


def _address(path: str, query: Mapping[str, object], part: str = "") -> str:
    return below_prefix(f"{path}?{urlencode(query)}{part}")


def facts(named: Mapping[str, Component | str]) -> html.Dl:
    """Names and values, one below the other."""
    return html.Dl(
        [part for name, value in named.items() for part in (html.Dt(name), html.Dd(value))],
        className="facts",
    )


def answer_panel(row: LogRow, kind: ServerKind) -> dmc.Card:
    """The answer, in figures; `kind` is that of the server."""
    return panels.panel(
        "Request and answer",
        "As the server recorded them. Bytes are those on the connection, heads included; with TLS "
        "they are counted before encryption.",
        facts(
            {
                "Status": status_of(row),
                "Ended at": html.Span(
                    className="moment", **attributes(data_epoch_seconds=f"{row.end_s:.6f}")
                ),
                KINDS[kind]: row.listener,
                "Route": route_words(row.route),
                "Received": units.text(row.bytes_received, "By"),
                "Sent": units.text(row.bytes_sent, "By"),
                "Marks": ", ".join(row.flags) or "none",
            }
        ),
    )


def origin_panel(row: LogRow) -> dmc.Card:
    """The connection that it came on, and who answered it."""
    port = f" port {row.client_port}" if row.client_port else ""
    return panels.panel(
        "Where it came from",
        "The client is the peer of the connection, or the address that a trusted proxy names. TLS "
        "is that of the connection to this server; a proxy in front has its own. An app's recorder "
        "cannot know of TLS, nor how many requests came before on a connection.",
        facts(
            {
                "Client": client_words(row.client) + port,
                "Protocol": row.protocol or _UNKNOWN,
                "TLS": _tls(row),
                "Before it on this connection": _before(row.requests_before),
                "User agent": row.user_agent or "none sent",
                "Trace": row.trace_id or "no valid traceparent sent",
                "Process": str(row.pid) if row.pid else _UNKNOWN,
                "Thread": row.thread or _UNKNOWN,
            }
        ),
    )


def _tls(row: LogRow) -> str:
    if row.cipher_suite:
        return cipher_suites.words(row.cipher_suite)
    if "tls" in row.flags:
        return "yes; its version was not recorded"
    return _UNKNOWN if row.requests_before is None else "none on this connection"


def _before(count: int | None) -> str:
    if count is None:
        return _UNKNOWN
    if not count:
        return "none: it was the first request"
    return counted(count, "request")


def time_panel(row: LogRow, around: RequestSurroundings) -> dmc.Card:
    """The stages beside what is usual."""
    return panels.panel(
        "Where the time went",
        "Percentiles of the requests that the listener read in the half hour before and after "
        "this one; "
        "one is left out where there are too few requests for it. The sentence above the stages is "
        "about the requests of the same route.",
        html.P(_place(row, around)),
        where_time_went(row, around.unmeasured, {**around.stages, WHOLE: around.listener}),
    )


def where_time_went(
    row: LogRow,
    unmeasured: Collection[str],
    usual: Mapping[str, UsualDurations] | None = None,
) -> html.Div:
    """The stages of a request, with `usual` beside those of its listener; or why it has none."""
    if is_turned_away(row.target, row.status):
        took = units.text(row.total_s, "s")
        return html.Div(f"No request was read, so it passed no stage. The 503 took {took} to send.")
    of = row.listener if usual else ""
    return waterfall(row.stages_s, usual, of, unmeasured)


def _place(row: LogRow, around: RequestSurroundings) -> str:
    """How it compares with others of its route."""
    requests, route = around.route.requests, route_words(row.route)
    if around.share_not_slower is None or requests <= 1:
        if is_not_read(row.target):
            return (
                "No other answer that was sent before a request was read is recorded within half "
                "an hour of it."
            )
        return f"No other request of {route} was recorded within half an hour of it."
    others = f"the {requests:,} requests of {route} within half an hour of it"
    if is_not_read(row.target):
        others = (
            f"the {requests:,} answers within half an hour of it that were sent before a request "
            "was read"
        )
    share = int(around.share_not_slower * _PERCENT)
    if not around.share_faster:
        return (
            f"It was among the fastest: none of {others} was faster by more than "
            f"{units.text(GROWTH - 1, '1')}."
        )
    if not share:
        return f"Fewer than 1 % of {others} were as fast as this one, or faster."
    return f"{share} % of {others} were as fast as this one, or faster."


def no_number() -> html.Div:
    """The page of an address whose last part cannot be the number of a request."""
    return _not_here(
        "No request has this address",
        f"The last part of the address of a request is its number, as in {ADDRESS}12.",
    )


def not_kept(detail_id: int, kept: KeptDetails | None) -> html.Div:
    """The page of a request that is not there, and why."""
    if kept is None:
        why = "No request is kept now: none was recorded yet, or the store began anew."
    elif detail_id < kept.oldest_id:
        why = (
            "It is no longer kept. The log keeps the newest requests of a sample, with every "
            f"error and the slowest; the oldest one now is number {kept.oldest_id:,}."
        )
    elif detail_id > kept.newest_id:
        why = (
            f"There is no request of this number yet: the newest one is number "
            f"{kept.newest_id:,}. A request is shown a second or two after its answer; after the "
            "store began anew, numbers begin anew as well."
        )
    else:
        why = "Requests before and after it are kept, this one is not."
    return _not_here(f"Request {detail_id:,} is not here", why)


def _not_here(title: str, why: str) -> html.Div:
    return html.Div(
        className="no-live not-found",
        children=[
            dmc.Title(title, order=1, size="h3", mt="lg"),
            dmc.Text(why),
            dcc.Link("All requests that are kept", href=below_prefix("/requests")),
        ],
    )
