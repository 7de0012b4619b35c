"""Each chapter at an address of its own: a question, a guess, an experiment, its result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from dash import Input, Output, State, callback, dcc, html, no_update, register_page

from components import access, chapter, forms, panels, query
from components.chapter_video import (
    RANGES,
    RANGES_ANSWER,
    RANGES_CAPTURE,
    video_log,
    video_view,
)
from components.guess_field import guess_field
from components.live import LivePage, Props, connect
from components.path_prefix import below_prefix
from components.run_links import LEARN
from components.status import sentence
from servescope.actions.experiments import ExperimentRequest
from servescope.chapters import CHAPTERS, chapter_of
from servescope.errors import ServescopeError
from servescope.queries import experiments
from servescope.queries.runs import run_id
from servescope.records.load import RunState

if TYPE_CHECKING:
    from dash import NoUpdate
    from dash.development.base_component import Component

    from servescope.chapters.chapter import Chapter, Setting
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

SUBJECT: Final = "chapter-name"
EXPERIMENT: Final = "chapter-experiment"


def props(context: QueryContext, span: Span | None, chosen: tuple[str, ...]) -> Props:
    """The experiment that the address names, as of now."""
    del span
    name, given = chosen
    shown, number = chapter_of(name), run_id(given)
    if shown is None:
        return {}
    found = experiments.one(context, number) if number else None
    is_done = (
        found is not None and found.plan.chapter == shown.name and found.state is RunState.DONE
    )
    return {
        "chapter-result": {"children": chapter.experiment_view(shown, number, found)},
        **_video(context, shown.video if is_done else ""),
    }


def _video(context: QueryContext, target: str) -> Props:
    """The chapter's video, which would give the answer away, and the requests for it."""
    view: list[Component] = []
    log: list[Component] = []
    if target:
        view = video_view(context, target, access.visitor(), access.why_not())
        log = [video_log(context, target)]
    return {"chapter-video": {"children": view}, "chapter-video-log": {"children": log}}


PAGE: Final = LivePage(
    "chapter", (), props, table_filters=(EXPERIMENT,), subject=SUBJECT, by_person=True
)
connect(PAGE)
forms.forget_refusals(*chapter.FIELDS)


@callback(
    *forms.outputs(chapter.ANSWER),
    Output(EXPERIMENT, "value"),
    Output(chapter.TRIED, "data"),
    Input(chapter.START, "n_clicks"),
    State(SUBJECT, "value"),
    State(chapter.TRIED, "data"),
    *(State(field, "value") for field in chapter.FIELDS),
    prevent_initial_call=True,
)
def start(_clicks: object, name: object, tried: object, *values: object) -> tuple[object, ...]:
    """Start the experiment with the guess; the answer says so, or why not."""
    try:
        number = access.dashboard().start_experiment(ExperimentRequest(name, *values))
    except ServescopeError as error:
        return *forms.refused(sentence(error)), no_update, no_update
    known = tried if isinstance(tried, dict) else {}
    return (
        *forms.done("Your guess is taken: see below."),
        str(number),
        {**known, str(name): number},
    )


@callback(
    Output(chapter.QUESTION, "children"),
    Output(chapter.TEXT_PLACE, "children"),
    Output(chapter.GUESS_PLACE, "children"),
    Input(chapter.SETTING, "value"),
    State(SUBJECT, "value"),
    prevent_initial_call=True,
)
def parts_of_setting(
    setting: object, name: object
) -> tuple[list[Component | str] | Component | NoUpdate, ...]:
    """The question, the text to change and the guess of the setting that was chosen.

    A guess stays in its field where all settings ask the same.
    """
    shown = chapter_of(str(name))
    found = None if shown is None else shown.setting(str(setting))
    if shown is None or found is None:
        return no_update, no_update, no_update
    asked = shown.asked(found)
    is_one_question = not any(one.question for one in shown.settings)
    field = no_update if is_one_question else guess_field(asked.guess)
    why_no_text = access.dashboard().why_no_experiment(found)
    return chapter.kept_numbers(asked.text), chapter.text_field(found, why_no_text), field


@callback(*forms.outputs(RANGES_ANSWER), Input(RANGES, "n_clicks"), prevent_initial_call=True)
def capture_ranges(clicks: object) -> tuple[object, ...]:
    """Have the next requests for a range captured; the answer says so, or why not."""
    if not clicks:  # the button has just come
        return no_update, no_update
    try:
        access.dashboard().start_capture(RANGES_CAPTURE)
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.done(
        "From a second from now on: the next 20 requests for a range, within 2 minutes. Play the "
        "video, and drag."
    )


def layout(shown: Chapter, experiment: object = "", **_query: object) -> html.Div:
    """The chapter, and the experiment that the address names, with the knob where it stood."""
    setting, text = _choice(shown, run_id(query.first(experiment)))
    return html.Div(
        panels.page_frame(
            PAGE,
            f"{shown.number}. {shown.title}",
            dcc.Input(id=SUBJECT, type="hidden", value=shown.name),
            dcc.Input(id=EXPERIMENT, type="hidden", value=query.first(experiment)),
            chapter.tried_store(),
            chapter.question_panel(
                shown,
                setting,
                text,
                access.why_not(),
                access.dashboard().why_no_experiment(setting),
            ),
            html.Div(id="chapter-result", className="chapter-result"),
            html.Div(id="chapter-video", className="chapter-result"),
            html.Div(id="chapter-video-log"),
            controls=dcc.Link("All chapters", href=below_prefix(LEARN)),
        ),
        className="of-one-span",
    )


def _choice(shown: Chapter, number: int) -> tuple[Setting, str]:
    """Setting and text of an experiment of this chapter; the first setting without one."""
    found = experiments.one(access.context(), number) if number else None
    if found is not None and found.plan.chapter == shown.name:
        setting = shown.setting(found.plan.setting)
        if setting is not None:
            return setting, found.plan.text
    return shown.settings[0], ""


# An address each, so that one of no chapter is one of no page.
for _chapter in CHAPTERS:
    register_page(
        f"{__name__}.{_chapter.name}",
        path=f"{LEARN}/{_chapter.name}",
        name=_chapter.title,
        title=f"{_chapter.title} · Learn · Servescope",
        layout=partial(layout, _chapter),
    )
