"""The panel "Find what it carries": form, progress, result, graphs and steps of a search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import Input, Output, callback, html

from components import access, forms, start_button
from components.findings import verdict
from components.help import attributes
from components.listener_choices import choices, hint, preferred
from components.load_form import room_for
from components.load_run import DEFAULT_REQUEST, SUGGESTED
from components.panels import panel
from components.run_links import view_query
from components.start_button import start_actions
from components.static_graph import colour_key, static_graph
from components.status import search_share, search_text, sentence
from components.tables import CARDS, named_row
from servescope.actions.capacity_searches import CapacityRequest
from servescope.errors import ServescopeError
from servescope.figures import capacity as figures
from servescope.figures import theme, units
from servescope.findings import findings, gathering
from servescope.queries import capacity
from servescope.records.capacity import DEFAULT_TOTAL_S, LIMITS
from servescope.statistics.capacity_models import ModelKind
from servescope.statistics.capacity_search import Outcome
from servescope.statistics.capacity_steps import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.live import Props
    from components.tables import Cell
    from servescope.queries.context import QueryContext
    from servescope.records.capacity import CapacityPlan, SearchedCapacity
    from servescope.records.listeners import ListenerStatus
    from servescope.statistics.capacity_models import ModelChoice
    from servescope.statistics.capacity_search import CapacitySearch
    from servescope.statistics.capacity_steps import StepResult

FIELDS: Final = ("capacity-listener", "capacity-target", "capacity-limit", "capacity-errors")
"""Ids of the fields, in the order of CapacityRequest."""

ANSWER: Final = "capacity-answer"
DEFAULT_LIMIT_MS: Final = 100
DEFAULT_ERRORS_PERCENT: Final = 1
EMPTY: Final = (
    "No search yet. Find doubles the rate of requests until the server no longer keeps to the p99 "
    "and the share of failed requests above. Then it tries rates near that one until it knows how "
    "much the server carries."
)
HELP: Final = (
    "A search is a row of short load runs, its steps, each at one rate with evenly spaced "
    f"requests; they are in no list of runs. It takes at most {units.length(DEFAULT_TOTAL_S)}, or "
    f"{LIMITS:g} times the p99 that is allowed where that is longer. In 95 of 100 searches like "
    "this one the capacity lies in the interval that they give. No capacity is claimed when the "
    "generator was late or other programs took the CPU. ≥: requests that timed out are among these."
)
COLUMNS: Final = ("Step", "Offered", "Answered", "p99", "Late", "Failed", "Under way", "Objective")
_MODEL_MEANING: Final = {
    ModelKind.BOUNDS: "it answers as a pool does: in proportion until all workers are busy",
    ModelKind.USL: "each request more in the server slows the others down",
    ModelKind.LINE: "no limit of its throughput was reached",
}


def capacity_panel(
    listeners: Sequence[ListenerStatus], why_not: str, load_hosts: Sequence[str] = ()
) -> dmc.Card:
    """The panel; when `why_not` says something, it is shown and nothing can be started."""
    chosen = preferred(listeners, str(DEFAULT_REQUEST.listener))
    fields = [
        dmc.Select(
            id=FIELDS[0], label="Loaded server", data=choices(listeners) or [chosen], value=chosen,
            allowDeselect=False, **room_for(load_hosts),
        ),
        dmc.Autocomplete(
            id=FIELDS[1], label="Loaded path", data=SUGGESTED.get(chosen, ["/"]),
            value=DEFAULT_REQUEST.target,
        ),
        dmc.NumberInput(
            id=FIELDS[2], label="p99 at most, ms", value=DEFAULT_LIMIT_MS, clampBehavior="none",
            step=10,
        ),
        dmc.NumberInput(
            id=FIELDS[3], label="Failed at most, %", value=DEFAULT_ERRORS_PERCENT,
            clampBehavior="none",
        ),
    ]  # fmt: skip
    return panel(
        "Find what it carries",
        HELP,
        forms.form(fields, ANSWER, "capacity-start"),
        hint("capacity", listeners),
        start_actions("capacity", "Find", "Stop", answer_id=ANSWER, why_not=why_not),
        html.Div(id="capacity-now"),
        wide=True,
        panel_id="capacity",
    )


def props(context: QueryContext, aims: Sequence[Any], *, is_busy: bool, has_target: bool) -> Props:
    """The state of the panel; `aims` may be loaded, `is_busy` while any load goes on.

    `has_target`: one of them runs.
    """
    shown = capacity.newest_search(context)
    is_active = shown is not None and not shown.is_over
    return {
        "capacity-listener": {"data": list(aims)},
        **start_button.props(
            "capacity", is_active=is_active, is_busy=is_busy, has_target=has_target
        ),
        "capacity-now": {"children": search_view(shown)},
    }


def connect() -> None:
    """Register the panel's callbacks; the page that shows it calls this once."""
    start_button.connect("capacity", ANSWER, FIELDS, start, stop)
    callback(Output(FIELDS[1], "data"), Input(FIELDS[0], "value"), prevent_initial_call=True)(
        suggest
    )


def start(_clicks: object, *values: object) -> forms.Answer:
    """Start the search that the form describes; the answer says which, or why not."""
    try:
        number = access.dashboard().start_capacity_search(CapacityRequest(*values))
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Search {number} was asked for; it is followed below.")


def stop(_clicks: int) -> forms.Answer:
    """Stop the search under way."""
    board = access.dashboard()
    active = capacity.active_search(board.context)
    if active is None:
        return forms.done("No search was under way.")
    try:
        board.stop_capacity_search(active.id)
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Search {active.id} is being stopped.")


def suggest(listener: object) -> list[str]:
    """Paths worth trying at the chosen listener."""
    return SUGGESTED.get(str(listener), ["/"])


def search_view(searched: SearchedCapacity | None) -> html.Div:
    """A search as it stands."""
    if searched is None:
        return html.Div(EMPTY, className="dimmed")
    search = capacity.resumed(searched)
    models = capacity.models_of(search.steps, search.objective)
    said: list[Any] = []
    if searched.message:
        said.append(html.P(sentence(searched.message)))
    if not searched.is_over:
        said.append(_progress(searched, search))
    elif searched.steps:
        found = findings(gathering.capacity_of(searched))
        said.append(verdict(found, "/load", _view(searched)))
    heading = html.Div(
        [
            dmc.Text(f"Search {searched.id}: {plan_text(searched.plan)}", fw=500),
            html.Span(searched.state.value, className=f"state {searched.state.value}"),
        ],
        className="card-heading",
    )
    if not searched.steps:
        return html.Div([heading, *said])
    return html.Div(
        [
            heading,
            *said,
            *_graphs(searched.plan, search, models),
            *_under_way(search),
            _table(searched.plan, search),
        ]
    )


def _view(searched: SearchedCapacity) -> str:
    """The view of the search's own seconds, which show the limit."""
    if searched.started_s is None or searched.ended_s is None:
        return ""
    return view_query(int(searched.started_s), math.ceil(searched.ended_s))


def plan_text(plan: CapacityPlan) -> str:
    """A plan in a few words."""
    limit, failed = units.text(plan.latency_limit_s, "s"), units.text(plan.error_limit, "1")
    return f"{plan.destination} {plan.target}, p99 ≤ {limit}, failed ≤ {failed}"


def _progress(searched: SearchedCapacity, search: CapacitySearch) -> html.Div:
    found = search.capacity() if search.result().outcome is Outcome.CARRIES else None
    so_far = ""
    if found is not None:
        so_far = f" So far between {found.low:,.0f} and {found.high:,.0f} requests/s."
    return html.Div(
        [
            dmc.Text(f"{search_text(searched)}.{so_far}", size="sm"),
            dmc.Progress(value=search_share(searched), size="lg", mt=4),
        ],
        className="comparison-progress",
    )


def _graphs(plan: CapacityPlan, search: CapacitySearch, models: ModelChoice | None) -> list[Any]:
    chosen = models.chosen if models is not None else None
    result = search.result()
    found = result.capacity if result.outcome is Outcome.CARRIES else None
    given = (search.steps, search.objective, chosen, found)
    keys = [(name, colour) for name, colour, _ in figures.MARKS.values()]
    keys += [("model", theme.TEAL), ("limit", theme.AMBER)]
    return [
        html.Div(
            [
                html.Span("Offered requests per second across; the band is the interval."),
                *(colour_key(name, colour) for name, colour in keys),
            ],
            className="comparison-legend",
        ),
        dmc.SimpleGrid(
            cols={"base": 1, "md": 2},
            spacing="sm",
            children=[
                _graph("Answered per second", figures.throughput(*given)),
                _graph(
                    "p99 of each step, from the intended send",
                    figures.latency(*given, plan.timeout_s),
                ),
            ],
        ),
        *([html.P(_model_text(models), className="dimmed")] if models is not None else []),
    ]


def _graph(title: str, figure: theme.Figure) -> html.Div:
    return static_graph(title, figure, figures.HEIGHT, f"{title}, against the offered rate")


def _model_text(models: ModelChoice) -> str:
    """The chosen model in a sentence, with its peak and how far its points lie from it."""
    chosen = models.chosen
    text = f"Model of throughput by AICc: {chosen.kind}: {_MODEL_MEANING[chosen.kind]}"
    if chosen.kind is not ModelKind.LINE:
        low, high = (f"{value:,.0f}" for value in (models.peak_low, models.peak_high))
        text += f"; peak {chosen.peak:,.0f} ({low} to {high}) answers per second"
    farthest = math.expm1(max(chosen.residuals, key=abs, default=0.0))
    if farthest:
        far = f"{units.text(abs(farthest), '1')} {'more' if farthest > 0 else 'less'}"
        text += (
            f". The step farthest from the model answered {far} than it says for as many under way"
        )
    return f"{text}."


def _table(plan: CapacityPlan, search: CapacitySearch) -> html.Div:
    ends = {COLUMNS[0], COLUMNS[-1]}
    head = [html.Th(text, className="" if text in ends else "number") for text in COLUMNS]
    rows = [
        _row(number, step, plan, search)
        for number, step in reversed(list(enumerate(search.steps, 1)))
    ]
    return html.Div(
        html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className=CARDS),
        className="rows capacity-steps",
        tabIndex=0,  # it scrolls: by keyboard too
        role="region",
        style={"maxHeight": 320, "overflowY": "auto"},
        **attributes(aria_label="Steps of the search, the last first"),
    )


def _under_way(search: CapacitySearch) -> list[html.P]:
    """Explain both figures of the column "Under way" by the last step that has them."""
    counted = [
        (number, step)
        for number, step in enumerate(search.steps, 1)
        if step.sent and step.in_flight is not None
    ]
    if not counted:
        return []
    number, step = counted[-1]
    product = " \N{MULTIPLICATION SIGN} ".join(
        [units.text(step.arrival_rate, "{request}/s"), units.text(step.mean_latency_s, "s")]
    )
    text = (
        "Under way are the requests that were sent and not yet answered, on average. The "
        "generator counts them. Little's law computes them from other figures: requests a second "
        f"up to the last answer \N{MULTIPLICATION SIGN} their mean latency (step {number}: "
        f"{product} = {units.number(step.concurrency)}). A step where the two are far apart is "
        "not used."
    )
    return [html.P(text, className="dimmed")]


def _row(number: int, step: StepResult, plan: CapacityPlan, search: CapacitySearch) -> html.Tr:
    judged = step.judge(search.objective)
    cells: list[Cell] = [
        str(number),
        units.text(step.rate, "{request}/s"),
        units.text(step.throughput, "{request}/s"),
        figures.p99(step, plan.timeout_s).text,
        units.text(step.late / step.sent if step.sent else None, "1"),
        f"{step.failed:,}",
        _little(step),
        _judged(step, judged),
    ]
    kinds = ["", *["number"] * (len(cells) - 2), ""]
    return named_row(cells, COLUMNS, kinds)


def _little(step: StepResult) -> str:
    """Requests under way as counted, and as Little's law has them."""
    computed = units.number(step.concurrency)
    if step.in_flight is None:
        return f"{computed} by Little's law"
    return f"{units.number(step.in_flight)} counted, {computed} by Little's law"


def _judged(step: StepResult, judged: Judgement) -> str:
    if judged is not Judgement.USELESS:
        return judged.value
    if step.disturbed:  # which holds up a generator, too
        return "not used: other programs took the CPU"
    if step.generator_limited:
        return "not used: the generator was at its limit"
    if step.agrees_with_littles_law is False:
        return "not used: against Little's law"
    return "not used: no request came due"
