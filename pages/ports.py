"""Sockets: who listens, who waits, and what passes through each port."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from dash import html, register_page

from components import panels
from components.findings import moment_query, verdict
from components.help import NO_LISTENER
from components.live import LiveGraph, LivePage, Props, connect
from components.status import HIDDEN
from servescope import catalog
from servescope.figures import theme, units
from servescope.figures.lines import LinePlot
from servescope.findings import PORTS, findings, gathering
from servescope.queries import ports, traffic

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(
    __name__, path="/ports", name="Ports", title="Ports · Servescope", order=30, icon="ports"
)

GRAPHS: Final = (
    LiveGraph(
        "ports-queues",
        "Accept queue and its backlog, connections",
        "Connections set up by the kernel that wait to be accepted, by port. Above the backlog "
        "(dotted) the kernel drops new ones, whose clients try again after 1 s at the earliest. A "
        "port that listens no more is drawn where connections waited.",
        lambda context, span, _: ports.accept_queues(context, span),
        LinePlot(
            listener_styles=theme.paired_listeners((" backlog", "dot")),
            step_line=True,
        ),
        NO_LISTENER,
    ),
    LiveGraph(
        "ports-states",
        "Connections by state in the kernel, without those that were reset",
        "TCP connections of our ports, as the server's kernel has them. established: they carry "
        "requests. time_wait: they are over, and the kernel keeps them for a minute. close_wait: "
        "the client has closed them, and the server has a request of theirs to answer, or has not "
        "accepted them. A connection that was reset has no state. The server may still hold it: it "
        "learns of the reset when it answers, and until then Inside the server counts the "
        "connection as open. Those that it closed for lack of room itself are counted as turned "
        "away, by New connections per second.",
        lambda context, span, _: ports.connections_by_state(context, span),
        LinePlot(stacked=True, drop_idle=True),
        "No connections to our ports in this span.",
    ),
    LiveGraph(
        "ports-requests",
        "Requests per second by listener",
        "Requests that each port answers. Those of a comparison are shown there alone, on the page "
        "Servers.",
        lambda context, span, _: traffic.by_listener(context, span),
        LinePlot(listener_styles=theme.by_listener),
        "No requests in this span.",
    ),
    LiveGraph(
        "ports-bytes",
        "Bytes received and sent by listener, as requests end",
        "Heads and bodies, a second; all of a request count in the second in which it ended, so "
        "that while a server works off requests, bytes that came before still show. Received "
        "dotted, sent solid.",
        lambda context, span, _: traffic.bytes_by_listener(context, span),
        LinePlot(listener_styles=theme.paired_listeners((" received", "dot"))),
        "No requests in this span.",
    ),
    LiveGraph(
        "ports-inside",
        "Inside the server: connections, queue, threads",
        "Solid: open connections, also those that their clients have left. Dotted: requests that "
        "wait for a thread. Dashed: threads at work; where an event loop calls the app there are "
        "none, and it is the requests on the loop. A point of a longer span is the mean of its "
        "step, of the requests that wait the most.",
        lambda context, span, _: ports.inside(context, span),
        LinePlot(
            unit="",
            listener_styles=theme.paired_listeners(
                (" requests queued", "dot"),
                (" threads busy", "dash"),
                (" requests on the loop", "dash"),
            ),
            step_line=True,
        ),
        NO_LISTENER,
    ),
    LiveGraph(
        "ports-opened",
        "New connections per second by listener",
        "Connections that the server accepted. Keep-alive keeps this low. Red, where there are "
        "any: those of them for which it had no room, and which it closed again.",
        lambda context, span, _: ports.opened_by_listener(context, span),
        LinePlot(
            listener_styles=theme.paired_listeners(bad=" turned away"),
            drop_idle=True,
        ),
        "No new connections in this span.",
    ),
)
COLUMNS: Final = (
    panels.phone_column(
        {"field": "port", "headerName": "Port", "minWidth": 80, "maxWidth": 110}, minWidth=72
    ),
    panels.text_column(
        "service",
        "Known for",
        minWidth=110,
        headerTooltip="The service registered for this port (IANA), or often run there; another "
        "one may answer. A dash: none is known.",
    ),
    {"field": "address", "headerName": "Address", "minWidth": 130},
    panels.phone_column(
        panels.text_column(
            "listener", "Our listener", minWidth=110, cellClassRules={"ours": "params.value"}
        ),
        headerName="Ours",
        minWidth=72,
    ),
    panels.phone_column(
        panels.text_column("process", "Process", minWidth=160, flex=1),
        minWidth=98,
        wrapText=True,
        autoHeight=True,
        cellClass="wrapped",
    ),
    panels.text_column("pid", "Pid", minWidth=80, type="rightAligned"),
    panels.phone_column(
        panels.number_column("accept_queue_depth", "Waiting", width=95), minWidth=88
    ),
    panels.number_column("backlog", "Backlog", width=95),
    panels.number_column("filled", "Filled", shown="filled_text"),
    panels.text_column(
        "next_free_port",
        "Next free",
        minWidth=95,
        type="rightAligned",
        headerTooltip="The next port above this one that a listener could have at this address.",
    ),
)
HEIGHT_PX: Final = 260
NO_SOCKETS: Final = "Nobody listens on this host."


SHOWN: Final = {"display": "block"}
ELSEWHERE: Final = (
    "Sockets are looked at, not recorded: those of another host are on its own dashboard."
)


def props(context: QueryContext, span: Span | None, _filters: tuple[str, ...]) -> Props:
    """The findings, and every listening socket as of two seconds ago at most."""
    evidence = gathering.at_ports(context, span)
    found = findings(evidence, PORTS)
    rows = []
    for row in ports.sockets(context):
        filled = row.accept_queue_depth / row.backlog if row.backlog else 0.0
        rows.append(
            asdict(row)
            | {
                "key": f"{row.address} {row.port} {row.inode}",
                "filled": filled,
                "filled_text": units.text(filled, "1"),
            }
        )
    elsewhere = "" if context.is_home else ELSEWHERE
    return {
        "ports-own": {"style": HIDDEN if elsewhere else SHOWN},
        "ports-elsewhere": {"children": elsewhere},
        "ports-verdict": {"children": verdict(found, "/ports", moment=moment_query(evidence))},
        "ports-sockets": panels.grid_rows(rows, height=HEIGHT_PX, empty=NO_SOCKETS),
    }


METRICS: Final = (
    catalog.ACCEPT_QUEUE_DEPTH,
    catalog.ACCEPT_QUEUE_BACKLOG,
    catalog.CONNECTION_COUNT,
    catalog.BYTES_RECEIVED,
    catalog.BYTES_SENT,
    catalog.REQUEST_DURATION,
    catalog.NEW_CONNECTIONS,
    catalog.TURNED_AWAY,
    catalog.LEFT_CONNECTIONS,
    catalog.OPEN_CONNECTIONS,
    catalog.QUEUED_REQUESTS,
    catalog.BUSY_THREADS,
    catalog.ACTIVE_REQUESTS,
)
PAGE: Final = LivePage("ports", GRAPHS, props, metrics=METRICS)
connect(PAGE)


def layout(**_query: str) -> html.Div:
    """The page; the view in the query is the time bar's."""
    return panels.page_frame(
        PAGE,
        "Ports",
        panels.judgement("ports-verdict"),
        panels.panel(
            "Listening sockets of this host",
            "Every TCP port somebody listens on; ours first. Known for: the service that is "
            "registered for the port (IANA) or often run there; another one may answer. A dash: "
            "no service is known, or the port is none of our listeners'. Processes of other users "
            "have no name and no number here unless this dashboard runs as root. Unix sockets "
            "have no port: the overview lists those of our listeners.",
            html.Div(
                panels.grid(
                    "ports-sockets",
                    COLUMNS,
                    height=HEIGHT_PX,
                    empty=NO_SOCKETS,
                ),
                id="ports-own",
            ),
            html.Div(id="ports-elsewhere", className="dimmed"),
            of_now=True,
        ),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
    )
