"""All load runs: found by words, sorted, paged, two of them compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import dcc, html, register_page

from components import panels, query, run_table
from components.live import LivePage, Props, connect
from components.path_prefix import below_prefix
from components.plain_html import tree
from servescope.queries import runs

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(__name__, path="/runs", name="Runs", title="Load runs · Servescope", below="/load")

FILTERS: Final = ("runs-text", "runs-order", "runs-page", "runs-chosen")
DEBOUNCE_MS: Final = 400


def props(context: QueryContext, span: Span | None, given: tuple[str, ...]) -> Props:
    """The page of runs that the address asks for; of a fixed span those that ended in it."""
    text, order, page, marked = given
    found = runs.find(context, span, text, order, page)
    chosen = run_table.read_chosen(marked)
    if text.strip() and found.kept:
        empty = run_table.NONE_MATCHES
    else:
        is_fixed = span is not None and span.fixed
        empty = run_table.NONE_ENDED if is_fixed else run_table.NONE_YET
    by, is_descending = runs.order_of(order)
    shown = run_table.run_table(found, f"-{by}" if is_descending else by, chosen, empty)
    return {
        "runs-counts": {"children": run_table.counts_text(found, has_words=bool(text.strip()))},
        "runs-choice": {"tree": tree(run_table.choice(chosen, found.kept))},
        "runs-table": {"tree": tree(shown)},
        "runs-pages": {"tree": tree(run_table.pages(found))},
    }


PAGE: Final = LivePage("runs", (), props, table_filters=FILTERS)
connect(PAGE)


def layout(**given: object) -> html.Div:
    """The page, narrowed by whatever its address names; the view is the time bar's."""
    values = {name: query.first(given.get(name.partition("-")[2], "")) for name in FILTERS}
    text = values.pop("runs-text")
    return html.Div(
        panels.page_frame(
            PAGE,
            "Runs",
            panels.panel(
                "Load runs",
                "All that are kept; while the view is paused or past, those that ended in its "
                "span. Runs of a comparison of models stand with it, on the page Servers. "
                "Due, failed and 5xx of a run under way are those so far; its latencies come at "
                "its end. Due are all requests that its schedule asked for, "
                "sent or not; failed had no whole answer; 5xx were answered with a server error. "
                "Latencies count from the moment a request was due and are exact; ≥: requests that "
                "timed out are among these.",
                html.Div(
                    [
                        dmc.TextInput(
                            id="runs-text",
                            label="Search",
                            description="Number, name, note, tag, listener, target or state",
                            placeholder="before wsgi",
                            value=text,
                            debounce=DEBOUNCE_MS,
                            size="sm",
                            autoComplete="off",
                        ),
                        html.Div(id="runs-choice", className="runs-choice"),
                    ],
                    className="runs-controls",
                ),
                *(dcc.Input(id=name, type="hidden", value=value) for name, value in values.items()),
                html.P(id="runs-counts", role="status"),
                html.Div(html.Div("Loading…"), id="runs-table"),
                html.Div(id="runs-pages", className="pages"),
            ),
            controls=dcc.Link("Start a run", href=below_prefix("/load")),
        ),
        className="runs-page",
    )
