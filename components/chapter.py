"""A chapter on its page: its question and the guess, and what came of the experiment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import forms, panels
from components.path_prefix import below_prefix
from components.run_links import ways_on
from components.static_graph import colour_key, static_graph
from components.status import sentence
from components.tables import figure_table
from servescope.chapters import CHAPTERS
from servescope.figures import chapter as figures
from servescope.figures import units
from servescope.records.load import RunState
from servescope.records.temporary_listeners import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Collection

    from dash.development.base_component import Component

    from servescope.chapters.chapter import Chapter, Setting
    from servescope.records.experiments import Experiment

LEARN: Final = "/learn"
ANSWER: Final = "chapter-answer"
FIELDS: Final = ("chapter-setting", "chapter-guess")
"""Ids of the fields, in the order of ExperimentRequest after the chapter."""

START: Final = "chapter-start"
TRIED: Final = "learn-tried"
"""The store in the browser: the last experiment of each chapter that was tried in it."""


def address_of(chapter: Chapter) -> str:
    """The URL path of a chapter."""
    return below_prefix(f"{LEARN}/{chapter.name}")


def tried_store() -> dcc.Store:
    """The chapters tried, kept by the browser alone."""
    return dcc.Store(id=TRIED, storage_type="local")


def chapter_list(tried: Collection[str]) -> html.Ol:
    """All chapters by their questions."""
    return html.Ol(
        [
            html.Li(
                [
                    dcc.Link(one.title, href=address_of(one), className="chapter-title"),
                    html.Span(" tried", className="dimmed") if one.name in tried else None,
                    html.P(one.question),
                ],
                value=str(one.number),
            )
            for one in CHAPTERS
        ],
        className="chapters",
    )


def question_panel(chapter: Chapter, why_not: str) -> dmc.Card:
    """The question, what one has to know to guess, and the form of guess and knob."""
    guess = chapter.guess
    fields = [
        dmc.Select(
            id=FIELDS[0],
            label=chapter.knob,
            data=[{"value": one.name, "label": one.label} for one in chapter.settings],
            value=chapter.settings[0].name,
            allowDeselect=False,
            className="wide",
        ),
        dmc.NumberInput(
            id=FIELDS[1],
            label=f"{guess.label}, {guess.unit}",
            placeholder="Your guess",
            clampBehavior="none",
            thousandSeparator=",",
        ),
    ]
    return panels.panel(
        "The question",
        "First guess, then let the server of this dashboard do it: theory and measurement are "
        "shown after that. The experiment sends a few requests to a listener of its own.",
        html.P(chapter.question, className="chapter-question"),
        *(html.P(text) for text in chapter.before),
        forms.form(fields, ANSWER, START),
        forms.actions(
            dmc.Button("Guess and watch", id=START, disabled=bool(why_not)),
            answer_id=ANSWER,
            why_not=why_not,
        ),
        wide=True,
    )


def experiment_view(
    chapter: Chapter, number: int, experiment: Experiment | None
) -> list[Component]:
    """The result of an experiment; nothing of what it shows before there is one."""
    if not number:
        return []
    setting = None if experiment is None else chapter.setting(experiment.plan.setting)
    if experiment is None or experiment.plan.chapter != chapter.name or setting is None:
        return [html.P(f"This dashboard has no experiment {number} of this chapter.")]
    heading = html.Div(
        [
            dmc.Text(f"Experiment {number}: {setting.label}", fw=500),
            html.Span(experiment.state.value, className=f"state {experiment.state.value}"),
        ],
        className="card-heading",
    )
    if not experiment.is_over:
        return [heading, html.P("A server is started, and the requests are sent: some seconds.")]
    if experiment.state is not RunState.DONE:
        return [heading, html.P(sentence(experiment.message or "It has no result"))]
    return [heading, *_result(chapter, setting, experiment)]


def _result(chapter: Chapter, setting: Setting, experiment: Experiment) -> list[Component]:
    guess, measured = experiment.plan.guess, experiment.measured
    values, answer = chapter.measured_points(measured), chapter.answer(measured)
    figure = figures.picture(chapter, setting, values, guess)
    numbers = {"Guessed": guess, "Theory": setting.expected, "Measured": answer}
    told = [
        " ".join(f"{name}: {_text(chapter, value)}." for name, value in numbers.items()),
        setting.because,
    ]
    if not chapter.agrees(setting, measured):
        told.append(
            f"The measurement is {units.text(answer / setting.expected - 1, '1')} off the theory, "
            f"more than the {units.text(chapter.tolerance, '1')} that this experiment leaves. "
            "Other work on this machine does that: the page Host shows it. Try it again."
        )
    rows = [
        [point.label, _text(chapter, value), _text(chapter, point.expected)]
        for point, value in zip(setting.points, values, strict=True)
    ]
    start, end = math.floor(measured["from_s"]), math.ceil(measured["to_s"]) + 1
    return [
        *(html.P(text) for text in told),
        html.Div(
            [colour_key(name, colour) for name, colour in figures.COLOURS.items()],
            className="comparison-legend",
        ),
        static_graph(chapter.up, figure, figures.HEIGHT, " ".join(told)),
        html.Details(
            [
                html.Summary("The figures as a table"),
                figure_table(
                    ["", "Measured", "Theory"], rows, empty="", label="Measured and in theory"
                ),
            ]
        ),
        *(html.P(text) for text in chapter.after),
        html.P(["See it on ", *_separated(ways_on(start, end, EXPERIMENT)), "."]),
        html.P(
            "Change the server or its work above, guess again, and compare. The address of this "
            "page leads to this experiment.",
            className="dimmed",
        ),
    ]


def _separated(links: list[Any]) -> list[Any]:
    return [part for link in links for part in (", ", link)][1:]


def _text(chapter: Chapter, value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} {chapter.guess.unit}"
