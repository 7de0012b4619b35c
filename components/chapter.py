"""A chapter on its page: its question and the guess, and what came of the experiment."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import forms, panels
from components.guess_field import GUESS, guess_field
from components.help import attributes
from components.path_prefix import below_prefix
from components.run_links import chapter_address, ways_on
from components.static_graph import colour_key, static_graph
from components.status import sentence
from components.tables import figure_table
from servescope.chapters import CHAPTERS
from servescope.chapters.chapter import Link, Snippet
from servescope.chapters.guesses import number_text
from servescope.figures import chapter as figures
from servescope.figures import units
from servescope.records.load import RunState
from servescope.records.temporary_listeners import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dash.development.base_component import Component

    from servescope.chapters.chapter import Chapter, Passage, Reading, Setting, Step
    from servescope.chapters.guesses import Answer
    from servescope.records.experiments import Experiment

_LINE_END: Final = r"\r\n"
"""Two characters that a step's data shows at the end of each line that was sent."""
_LINE_ENDS: Final = f"{_LINE_END} is how the protocol ends a line, by two bytes."

_WITH_UNIT: Final = re.compile(
    r"([\d.,]*\d (?:(?:µs|ms|s|%|KiB|MiB|bytes?)(?!\w)|of \d[\d,]*)|kill -\w+)"
)
"""A number with its unit or its whole, and a command: no line ends within one."""

_FACTS: Final = ("Also measured", "Value")

ANSWER: Final = "chapter-answer"
SETTING: Final = "chapter-setting"
TEXT: Final = "chapter-text"
FIELDS: Final = (SETTING, GUESS, TEXT)
"""Ids of the fields, in the order of ExperimentRequest after the chapter."""

QUESTION: Final = "chapter-question"
GUESS_PLACE: Final = "chapter-guess-place"
TEXT_PLACE: Final = "chapter-text-place"
START: Final = "chapter-start"
TRIED: Final = "learn-tried"
"""The store in the browser: the last experiment of each chapter that was tried in it."""


def tried_store() -> dcc.Store:
    """The chapters tried, kept by the browser alone."""
    return dcc.Store(id=TRIED, storage_type="local")


def chapter_list(tried: Collection[str]) -> html.Ol:
    """All chapters by their questions."""
    return html.Ol(
        [
            html.Li(
                [
                    dcc.Link(one.title, href=chapter_address(one), className="chapter-title"),
                    html.Span(" tried", className="dimmed") if one.name in tried else None,
                    html.P(one.question),
                ],
                value=str(one.number),
            )
            for one in CHAPTERS
        ],
        className="chapters",
    )


def question_panel(
    chapter: Chapter, setting: Setting, text: str, why_not: str, why_no_text: str
) -> dmc.Card:
    """The question, what one has to know to guess, and the form of guess and knob.

    The knob stands at `setting`; `text` is that of `text_field`.
    """
    asked = chapter.asked(setting)
    fields = [
        dmc.Select(
            id=SETTING,
            label=chapter.knob,
            data=[{"value": one.name, "label": one.label} for one in chapter.settings],
            value=setting.name,
            allowDeselect=False,
            className="wide",
        ),
        html.Div(text_field(setting, why_no_text, text), id=TEXT_PLACE, className="wide"),
        html.Div(guess_field(asked.guess), id=GUESS_PLACE, className="guess-place"),
    ]
    return panels.panel(
        "The question",
        "First guess, then let the server of this dashboard do it: theory and measurement are "
        "shown after that. The experiment has a listener of its own, and ends within a minute.",
        _paragraph(asked.text, id=QUESTION, className="chapter-question"),
        *_passages(chapter.before, "before"),
        html.Div(
            [
                forms.form(fields, ANSWER, START),
                forms.actions(
                    dmc.Button("Guess and watch", id=START, disabled=bool(why_not)),
                    answer_id=ANSWER,
                    why_not=why_not,
                ),
            ],
            className="chapter-form",
        ),
        wide=True,
    )


def text_field(setting: Setting, why_not: str, text: str = "") -> Any:
    """The text that the person may change for this setting; hidden where there is none.

    `why_not` says why it may not be changed. `text` stands in it, if it is not empty.
    """
    edited = setting.edited
    if edited is None:
        return dcc.Input(id=TEXT, type="hidden", value="")
    return dmc.Textarea(
        id=TEXT,
        label=edited.label,
        value=text or edited.initial,
        description=sentence(why_not) if why_not else None,
        readOnly=bool(why_not),
        autosize=True,
        maxRows=24,
        className="chapter-text",
        spellCheck=False,
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
    changed = ", with another text" if _has_another_text(setting, experiment) else ""
    heading = html.Div(
        [
            dmc.Text(f"Experiment {number}: {setting.label}{changed}", fw=500),
            html.Span(experiment.state.value, className=f"state {experiment.state.value}"),
        ],
        className="card-heading",
    )
    if not experiment.is_over:
        return [heading, *_waiting(setting, experiment, time.time())]
    if experiment.state is not RunState.DONE:
        return [heading, html.P(sentence(experiment.message or "It has no result"))]
    return [heading, *_result(chapter, setting, experiment)]


def _waiting(setting: Setting, experiment: Experiment, now_s: float) -> list[Component]:
    """The text and the bar while the experiment runs; `now_s` is in epoch seconds."""
    if experiment.started_s is None:
        return [html.P("It begins in a moment.")]
    gone_s = max(0.0, now_s - experiment.started_s)
    takes_s = setting.takes_s
    takes = f"about {takes_s:.0f} s" if takes_s else "some seconds"
    told = html.P(f"It is carried out now, which takes {takes}: {gone_s:.0f} s so far.")
    if not takes_s:
        return [told]
    bar = html.Progress(
        value=f"{min(gone_s, takes_s):.0f}",
        max=f"{takes_s:.0f}",
        className="chapter-progress",
        **attributes(aria_label="Seconds of the experiment that are over"),
    )
    return [told, bar]


def _result(chapter: Chapter, setting: Setting, experiment: Experiment) -> list[Component]:
    guess, measured = experiment.plan.guess, experiment.measured
    reading = chapter.read(setting, measured)
    said = [*_said(chapter, setting, experiment, reading), *reading.told]
    return [
        *([_paragraph(setting.question.text, className="dimmed")] if setting.question else []),
        *(_paragraph(text) for text in said),
        *_picture(chapter, setting, reading, guess, " ".join(said)),
        *_steps(reading.steps),
        *(
            [
                html.Div(
                    figure_table(_FACTS, reading.facts, empty="", label="Also measured"),
                    className="chapter-facts",
                )
            ]
            if reading.facts
            else []
        ),
        *_see_it(chapter, setting, measured),
        html.P(
            f"Change “{chapter.knob}” above, guess again, and compare, before you read on: the "
            "rest gives the other results away. The address of this page leads to this "
            "experiment.",
            className="dimmed",
        ),
        html.H3("What it means", className="chapter-heading"),
        *_passages(chapter.after, "after"),
    ]


def _said(
    chapter: Chapter, setting: Setting, experiment: Experiment, reading: Reading
) -> list[str]:
    """Guess, theory and measurement, and how they go together."""
    asked = chapter.asked(setting)
    answers = {"Guessed": experiment.plan.guess, "Theory": setting.expected}
    is_changed = _has_another_text(setting, experiment)
    if is_changed:  # the theory is that of another text
        answers.pop("Theory")
    answers["Measured"] = reading.answer
    told = [" ".join(f"{name}: {asked.guess.text(one)}." for name, one in answers.items())]
    if is_changed:
        return told
    told.append(setting.because)
    if chapter.agrees(setting, reading):
        return told
    off = asked.guess.off(reading.answer, setting.expected)
    told.append(
        f"The measurement is {units.text(off, '1')} off the theory; without other work on this "
        f"machine it is at most {units.text(asked.tolerance, '1')} off. The page Host shows what "
        "else the machine did. Try it again."
        if math.isfinite(off)
        else "This machine did something else than the theory says. Try it again."
    )
    return told


def _has_another_text(setting: Setting, experiment: Experiment) -> bool:
    return setting.edited is not None and experiment.plan.text != setting.edited.initial


def _picture(
    chapter: Chapter, setting: Setting, reading: Reading, guess: Answer, said: str
) -> list[Component]:
    """Guess, theory and measurement as figure, and as a table."""
    figure = figures.picture(chapter, setting, reading, guess)
    drawn = chapter.asked(setting).picture
    if figure is None or drawn is None:
        return []
    unit = drawn.unit
    unseen = figures.guess_out_of_sight(figure, guess)
    rows = [
        [
            point.label,
            number_text(value, unit),
            "" if point.expected is None else number_text(point.expected, unit),
        ]
        for point, value in zip(setting.points, reading.points, strict=True)
    ]
    head = ["", "Measured", "Theory"]
    if isinstance(guess, tuple):  # a guess for each of the points
        head.append("Guess")
        rows = [[*row, number_text(one, unit)] for row, one in zip(rows, guess, strict=True)]
    return [
        html.Div(
            [
                colour_key(
                    f"guess ({unseen})" if unseen and name == "guess" else name,
                    figures.COLOURS[name],
                    shape,
                )
                for name, shape in figures.shapes(drawn).items()
            ],
            className="comparison-legend",
        ),
        static_graph(drawn.up, figure, figures.HEIGHT, said, across=drawn.across),
        html.Details(
            [
                html.Summary("The figures as a table"),
                figure_table(head, rows, empty="", label="Measured and in theory"),
            ]
        ),
    ]


def _steps(steps: Sequence[Step]) -> list[Component]:
    """The events of an experiment in their order, each with its time and its bytes or text."""
    if not steps:
        return []
    rows = [
        html.Li(
            [
                html.Span(units.text(step.at_ms / 1e3, "s"), className="at"),
                html.Span(step.side, className="dimmed"),
                html.Span(kept_numbers(step.text), className="told"),
                *([html.Pre(step.data, tabIndex=0)] if step.data else []),
            ]
        )
        for step in steps
    ]
    has_line_ends = any(_LINE_END in step.data for step in steps)
    return [
        html.H3("Step by step", className="chapter-heading"),
        _paragraph(
            "Each time counts from the beginning. 1 s (second) is 1,000 ms (milliseconds), and "
            "1 ms is 1,000 µs (microseconds)."
        ),
        *([html.P(_LINE_ENDS)] if has_line_ends else []),
        html.Ol(rows, className="chapter-steps"),
    ]


def _passages(passages: Sequence[Passage], place: str) -> list[Component]:
    return [_passage(one, f"chapter-{place}-{number}") for number, one in enumerate(passages)]


def _passage(passage: Passage, element: str) -> Component:
    if isinstance(passage, Snippet):
        return _snippet(passage, element)
    if isinstance(passage, Link):
        return html.P(dcc.Link(passage.text, href=below_prefix(passage.path)))
    return _paragraph(passage)


def _paragraph(text: str, **more: Any) -> html.P:
    return html.P(kept_numbers(text), **more)


def kept_numbers(text: str) -> list[Component | str]:
    """The text in parts; no line of it ends between a number and its unit."""
    parts = _WITH_UNIT.split(text)  # each second one is a number with its unit
    return [
        html.Span(part, className="number") if place % 2 else part
        for place, part in enumerate(parts)
    ]


def _snippet(snippet: Snippet, element: str) -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    html.B(snippet.label),
                    html.Button(
                        "Copy",
                        type="button",
                        className="menu-button",
                        **attributes(data_copy=element),
                    ),
                ],
                className="card-heading",
            ),
            html.Pre(snippet.code, id=element, tabIndex=0, **attributes(aria_label=snippet.label)),
        ],
        className="chapter-snippet",
    )


def _see_it(chapter: Chapter, setting: Setting, measured: Mapping[str, Any]) -> list[Component]:
    """The way to the same span on other pages; none where no page has anything of it."""
    if "from_s" not in measured:
        return []
    start, end = math.floor(measured["from_s"]), math.ceil(measured["to_s"]) + 1
    pages = chapter.seen_on if setting.seen_on is None else setting.seen_on
    ways = [one for one in ways_on(start, end, EXPERIMENT) if one.children in pages]
    return [html.P(["See it on ", *_separated(ways), "."])] if ways else []


def _separated(links: list[Any]) -> list[Any]:
    return [part for link in links for part in (", ", link)][1:]
