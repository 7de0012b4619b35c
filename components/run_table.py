"""The list of load runs as a table: sorted and paged on the server, two of them to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import dcc, html

from components import load_run
from components.help import attributes
from components.page_links import linked
from components.run_links import address_of, compare_address
from components.sorted_table import narrowing, page_buttons, sort_heading
from servescope.figures import units
from servescope.figures.run_progress import server_errors
from servescope.figures.run_texts import latency, plan_text, schedule_text
from servescope.queries.runs import PAGE_ROWS, run_id
from servescope.sentences import counted

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from servescope.queries.runs import FoundRuns
    from servescope.records.load import LoadRun

MOST_CHOSEN: Final = 2
NONE_YET: Final = "No run to show: runs are started on the page Load."
NONE_ENDED: Final = "No run ended in this span."
NONE_MATCHES: Final = "No run matches: write less, or another word."

_COLUMNS: Final = (
    ("", "", "choice"),
    ("id", "Run", "run"),
    ("", "Began", ""),
    ("target", "Plan", "plan"),
    ("state", "State", ""),
    ("sent", "Due", "number"),
    ("failed", "Failed", "number"),
    ("errors", "5xx", "number"),
    ("p50", "p50", "number"),
    ("p99", "p99", "number"),
    ("max", "Max", "number"),
)
"""Key of the order (see `run_search.ORDERS`), heading, class."""

_LATENCIES: Final = ("p50", "p99", "max")
_STEEPEST_FIRST: Final = {"id", "sent", "failed", "errors", "p50", "p99", "max"}


def read_chosen(text: str) -> tuple[int, ...]:
    """The numbers of the runs that are chosen, at most two, the first one first."""
    found = map(run_id, text.split(","))
    return tuple(dict.fromkeys(number for number in found if number))[-MOST_CHOSEN:]


def counts_text(found: FoundRuns, *, has_words: bool) -> str:
    """How many runs there are, or how many of them match."""
    kept = counted(found.kept, "run")
    if not has_words:
        return f"{kept}."
    return f"{found.matching:,} of {kept} {'matches' if found.matching == 1 else 'match'}."


def choice(chosen: tuple[int, ...], kept: int) -> list[Component]:
    """The way to compare the runs that are chosen; `kept` is how many there are to choose from.

    Nothing where there are no two.
    """
    if kept < MOST_CHOSEN:
        return []
    if not chosen:
        return [html.Span("Mark two runs to compare them.", className="dimmed")]
    if len(chosen) < MOST_CHOSEN:
        return [html.Span(f"Run {chosen[0]} is marked: mark another one.", className="dimmed")]
    first, second = chosen
    return [
        dcc.Link(
            f"Compare runs {first} and {second}",
            href=compare_address(first, second),
            className="menu-button",
        )
    ]


def run_table(found: FoundRuns, order: str, chosen: tuple[int, ...], empty: str) -> html.Div:
    """The rows of a page, below headings that sort; `empty` where there are none."""
    if not found.rows:
        return html.Div(linked(empty), className="dimmed")
    head = html.Tr([sort_heading(*column, order, _STEEPEST_FIRST) for column in _COLUMNS])
    body = [_row(run, chosen, found.page) for run in found.rows]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)], className="runs"), className="rows"
    )


def pages(found: FoundRuns) -> list[Component]:
    """The way to the page before and the one after; nothing where there is one page."""
    if found.pages <= 1:
        return []
    return page_buttons(found.page, found.pages, PAGE_ROWS, found.matching)


def _row(run: LoadRun, chosen: tuple[int, ...], page: int) -> html.Tr:
    told = run.result or run.progress
    failed = load_run.failed_count(told) if told else None
    errors = server_errors(told)
    began = run.started_s or run.requested_s
    return html.Tr(
        [
            html.Td(_checkbox(run.id, chosen, page), className="choice"),
            html.Td(_name(run), className="run"),
            html.Td(html.Span(**attributes(data_epoch_seconds=f"{began:.3f}")), className="began"),
            html.Td(_plan(run), className="plan", title=plan_text(run.plan)),
            html.Td(load_run.state_mark(run)),
            _number("due", units.count(told.get("sent"))),
            _number("failed", units.count(failed), "bad-text" if failed else ""),
            _number("5xx", units.count(errors), "bad-text" if errors else ""),
            *(_number(name, latency(run.result, name).text) for name in _LATENCIES),
        ],
        **attributes(data_run=str(run.id)),
    )


def _number(name: str, value: str, state: str = "") -> html.Td:
    """A figure; on a phone, where there are no headings above it, with its name."""
    return html.Td(
        html.Span(value, className=state), className="number", **attributes(data_name=name)
    )


def _name(run: LoadRun) -> list[Component]:
    tags = [html.Span(tag, className="tag") for tag in run.tags]
    link = dcc.Link(
        f"{run.id}: {run.name}" if run.name else f"Run {run.id}", href=address_of(run.id)
    )
    return [link, *([html.Div(tags, className="tags")] if tags else [])]


def _plan(run: LoadRun) -> list[Component]:
    scenario, sent_by = run.plan.scenario, load_run.sent_by(run)
    by_others = f", by {sent_by}" if sent_by else ""
    elsewhere = f", at {run.origin.host}" if run.origin else ""
    return [
        html.Div(f"{run.plan.destination} {scenario.label}", className="cut"),
        html.Div(f"{schedule_text(scenario)}{by_others}{elsewhere}", className="dimmed cut"),
    ]


def _checkbox(number: int, chosen: tuple[int, ...], page: int) -> html.Button:
    """Marks a run for a comparison; a third one takes the place of the first."""
    is_chosen = number in chosen
    others = [one for one in chosen if one != number]
    marked = others if is_chosen else [*others[-(MOST_CHOSEN - 1) :], number]
    return html.Button(
        "\N{CHECK MARK}" if is_chosen else "",
        type="button",
        role="checkbox",
        className="mark",
        **narrowing(
            {"chosen": ",".join(map(str, marked)), "page": str(page) if page > 1 else ""},
            f"Compare run {number}",
        ),
        **attributes(aria_checked=str(is_chosen).lower()),
    )
