"""The panel "Is it slower?": form, progress and result of a verdict between two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import Input, Output, callback, html, no_update

from components import access, forms, start_button, two_runs_choice
from components.listener_choices import choices, hint, preferred
from components.load_form import room_for
from components.load_run import DEFAULT_REQUEST
from components.panels import panel
from components.start_button import start_actions
from components.static_graph import overlaid
from components.status import sentence, verdict_share, verdict_text
from components.tables import figure_table
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.verdicts import MODEL, VerdictRequest
from servescope.errors import ServescopeError
from servescope.figures import units
from servescope.figures.run_texts import offered_text
from servescope.queries import verdicts
from servescope.records.listeners import ConcurrencyModel
from servescope.statistics.sequential_verdict import ALPHA, Side, VerdictKind
from servescope.verdicts.wording import change, difference_ms, discarded_texts, quantile_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dash.development.base_component import Component

    from components.live import Props
    from components.tables import Cell
    from servescope.actions.compared_endpoints import ComparedEndpoint
    from servescope.figures.units import Duration
    from servescope.queries.context import QueryContext
    from servescope.records.listeners import ListenerStatus
    from servescope.records.verdicts import RequestedVerdict

FIELDS: Final = (
    "verdict-before",
    "verdict-after",
    "verdict-target",
    "verdict-rate",
    "verdict-seconds",
    "verdict-tolerance",
    "verdict-pairs",
    "verdict-file",
    "verdict-endpoint",
)
"""Ids of the fields, in the order of VerdictRequest."""

TARGET: Final = FIELDS[2]
TOLERANCE: Final = FIELDS[5]
ENDPOINT: Final = FIELDS[8]
ANSWER: Final = "verdict-answer"
EMPTY: Final = (
    "No verdict yet. Judge loads both sides in turn with short runs, until it is certain "
    "whether the second is slower than the first."
)
HELP: Final = (
    "Judge sends pairs of short runs, one to each side, with the same requests at the same times. "
    "It ends as soon as it is certain. "
    f"The intervals of all percentiles together hold the true ratios in {(1 - ALPHA) * 100:g} % of "
    "verdicts, whenever they are looked at. The same as `python -m servescope compare`, which also "
    "takes apps in folders, git revisions and run files. A model hosts the endpoint's app in a new "
    "process for each pair. Two runs that are over are judged by what was kept of them."
)
_COLOURS: Final = {"slower": "bad", "failing": "bad", "undecided": "unknown"}
_TOO_FEW: Final = "too few pairs"


def verdict_panel(
    listeners: Sequence[ListenerStatus],
    endpoints: Mapping[str, ComparedEndpoint],
    why_not: str,
    load_hosts: Sequence[str] = (),
) -> dmc.Card:
    """The panel; when `why_not` says something, it is shown and nothing can be started."""
    first = preferred(listeners, str(DEFAULT_REQUEST.listener))
    second = preferred([one for one in listeners if one.name != first], first)
    data = _sides(choices(listeners) or [first])
    fields = [
        *(
            dmc.Select(
                id=name,
                label=label,
                data=data,
                value=chosen,
                allowDeselect=False,
                **room_for(load_hosts),
            )
            for name, label, chosen in (
                (FIELDS[0], "Before", first),
                (FIELDS[1], "After: is it slower?", second),
            )
        ),
        dmc.Select(
            id=ENDPOINT,
            label="Endpoint of models",
            data=[{"value": name, "label": one.label} for name, one in endpoints.items()],
            value="hello",
            allowDeselect=False,
        ),
        dmc.TextInput(id=TARGET, label="Path on both", value="/"),
        _number(FIELDS[3], "Rate on both, req/s", 50),
        _number(FIELDS[4], "Seconds of each run", 4),
        _number(FIELDS[5], "Tolerance, % slower", 5),
        _number(FIELDS[6], "Pairs at most", 30),
        dmc.Textarea(
            id=FIELDS[7],
            label="Scenario for both (TOML)",
            description="In place of path, rate and seconds.",
            autosize=True,
            minRows=1,
            maxRows=12,
            value="",
            className="wide",
        ),
    ]
    return panel(
        "Is it slower?",
        HELP,
        forms.form(fields, ANSWER, "verdict-start"),
        hint("verdict", listeners),
        start_actions("verdict", "Judge", "Stop", answer_id=ANSWER, why_not=why_not),
        two_runs_choice.two_runs_choice(),
        html.Div(id="verdict-now"),
        wide=True,
        panel_id="verdict",
    )


def props(context: QueryContext, aims: Sequence[Any], *, is_busy: bool) -> Props:
    """The state of the panel; `aims` may be loaded, `is_busy` while any load goes on."""
    shown = verdicts.newest_verdict(context)
    is_active = shown is not None and not shown.is_over
    return {
        FIELDS[0]: {"data": _sides(aims)},
        FIELDS[1]: {"data": _sides(aims)},
        **start_button.props("verdict", is_active=is_active, is_busy=is_busy),
        "verdict-now": {"children": verdict_view(shown)},
        **two_runs_choice.props(context),
    }


def connect() -> None:
    """Register the panel's callbacks; the page that shows it calls this once."""
    start_button.connect("verdict", ANSWER, FIELDS, start, stop)
    callback(Output(TARGET, "value"), Input(ENDPOINT, "value"), prevent_initial_call=True)(suggest)
    two_runs_choice.connect(TOLERANCE)


def suggest(name: object) -> object:
    """The path of the chosen endpoint."""
    endpoint = compared_endpoints(access.dashboard().settings).get(str(name))
    return endpoint.target if endpoint else no_update


def start(_clicks: object, *values: object) -> forms.Answer:
    """Start the verdict that the form describes; the answer says which, or why not."""
    try:
        number = access.dashboard().start_verdict(VerdictRequest(*values))
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Verdict {number} was asked for; it is followed below.")


def stop(_clicks: int) -> forms.Answer:
    """Stop the verdict under way."""
    board = access.dashboard()
    active = verdicts.active_verdict(board.context)
    if active is None:
        return forms.done("No verdict was under way.")
    try:
        board.stop_verdict(active.id)
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Verdict {active.id} is being stopped.")


def verdict_view(judged: RequestedVerdict | None) -> html.Div:
    """A verdict as it stands."""
    if judged is None:
        return html.Div(EMPTY, className="dimmed")
    plan, result = judged.plan, judged.result
    schedule = plan.scenario.schedule
    heading = html.Div(
        [
            dmc.Text(
                f"Verdict {judged.id}: before is {plan.before.label}, after is {plan.after.label}; "
                f"{plan.scenario.label}, {offered_text(plan.scenario)} for "
                f"{schedule.seconds:g} s each, "
                f"tolerance {plan.tolerance * 100:g} %",
                fw=500,
            ),
            html.Span(judged.state.value, className=f"state {judged.state.value}"),
        ],
        className="card-heading",
    )
    said: list[Any] = [heading]
    if judged.message:
        said.append(html.P(sentence(judged.message)))
    if not judged.is_over:
        said.append(_progress(judged))
    elif result:
        said.append(sentence_box(result))
    said += [
        html.P(text, className="dimmed")
        for text in discarded_texts(result.get("discarded_pairs", {}))
    ]
    if result.get("quantiles"):
        said += [*quantiles(result), _distributions(judged), _stages(judged), _steps(result)]
    return html.Div(said)


def sentence_box(result: Mapping[str, Any], *more: str) -> html.Div:
    """The verdict in its colour, and what else is to be said of it."""
    state = _COLOURS.get(result["verdict"], "")
    told = [html.P(text) for text in (result["sentence"], *more)]
    return html.Div(html.Div(told), className=f"verdict {state}".strip(), role="status")


def _progress(judged: RequestedVerdict) -> html.Div:
    return html.Div(
        [
            dmc.Text(f"{verdict_text(judged)}.", size="sm"),
            dmc.Progress(value=verdict_share(judged), size="lg", mt=4),
        ],
        className="comparison-progress",
    )


def quantiles(result: Mapping[str, Any]) -> list[Component]:
    """The percentiles of both sides, and the least slowdown that would be seen.

    `result` is `wording.to_json`; one of an older version does not say the latter.
    """
    power = result.get("power")
    return [_quantile_table(result), *([html.P(power, className="dimmed")] if power else [])]


def _quantile_table(result: Mapping[str, Any]) -> html.Div:
    rows: list[list[Cell | Duration]] = [
        [
            quantile_name(one["quantile"]) + ("" if one["judged"] else ", not judged"),
            _ms(one["before_ms"]),
            _ms(one["after_ms"]),
            change(one["ratio"]),
            _interval(one),
            "open" if one["verdict"] == VerdictKind.UNDECIDED else one["verdict"],
        ]
        for one in result["quantiles"]
    ]
    headings = ("Latency", "Before", "After", "Change", _interval_heading(), "So it is")
    return figure_table(headings, rows, empty="", label="Latency of both sides")


def _distributions(judged: RequestedVerdict) -> html.Div:
    counts = {
        f"{side}: {one.label}": judged.result["histograms"].get(side, [])
        for side, one in ((Side.BEFORE, judged.plan.before), (Side.AFTER, judged.plan.after))
    }
    return overlaid(
        "Distributions of latency, all pairs", counts, "Distributions of latency of both sides"
    )


def _stages(judged: RequestedVerdict) -> html.Div:
    rows: list[list[Cell | Duration]] = [
        [
            one["stage"],
            _ms(one["before_ms"]),
            _ms(one["after_ms"]),
            difference_ms(one["after_ms"] - one["before_ms"]),
            _TOO_FEW
            if one["low_ms"] is None or one["high_ms"] is None
            else f"{difference_ms(one['low_ms'])} to {difference_ms(one['high_ms'])}",
        ]
        for one in judged.result["stages"]
    ]
    headings = ("Stage, mean", "Before", "After", "Difference", _interval_heading())
    empty = "The stages are not known: the store has no requests of these seconds on both sides."
    hosts = [one for one in (judged.plan.before, judged.plan.after) if one.host is not None]
    if hosts:
        empty = f"The stages are not known: of {hosts[0].label} only the answers are known here."
    return figure_table(headings, rows, empty=empty, label="Where the difference lies, by stage")


def _steps(result: Mapping[str, Any]) -> html.Div:
    if not result["steps"]:
        return html.Div()
    rows: list[list[Cell | Duration]] = [
        [
            one["step"],
            _ms(one["before_p50_ms"]),
            _ms(one["after_p50_ms"]),
            change(one["after_p50_ms"] / one["before_p50_ms"]),
            _interval(one),
        ]
        for one in result["steps"]
    ]
    headings = ("Request, p50", "Before", "After", "Change", _interval_heading())
    return figure_table(headings, rows, empty="", label="Where the difference lies, by request")


def _interval(one: Mapping[str, Any]) -> str:
    """The interval of a ratio; `high` is None where it has no bound."""
    return _TOO_FEW if one["high"] is None else f"{change(one['low'])} to {change(one['high'])}"


def _interval_heading() -> str:
    return f"{(1 - ALPHA) * 100:g} % interval"


def _ms(value: float) -> Duration:
    return units.Duration(value / 1e3)


def _sides(aims: Sequence[Any]) -> list[dict[str, Any]]:
    """The choice of a side: `aims` as `load_form.aims` has them, and models."""
    models = [{"value": f"{MODEL}{one}", "label": f"model {one.label}"} for one in ConcurrencyModel]
    is_grouped = any(isinstance(one, dict) and "group" in one for one in aims)
    standing = aims if is_grouped else [{"group": "Listeners", "items": list(aims)}]
    return [*standing, {"group": "Models, with the endpoint's app", "items": models}]


def _number(field_id: str, label: str, value: float) -> dmc.NumberInput:
    return dmc.NumberInput(id=field_id, label=label, value=value, clampBehavior="none")
