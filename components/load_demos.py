"""Demos that one click starts, each with a line on what to look for: `actions/load_demos.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import Input, callback, ctx, dcc, html

from components import access, forms
from components.action_bar import action_bar, needs_connection
from components.help import BUTTON
from components.page_links import linked
from components.run_links import address_of, comparison_address
from components.status import sentence
from servescope.actions.load_demos import DEMOS, ComparisonDemo, LoadDemo
from servescope.errors import ServescopeError
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from components.live import Props
    from servescope.records.listeners import ListenerStatus

EXPLAINED: Final = (
    "Each demo sends load to a bundled app for 10 seconds; a comparison sends it for 2 seconds to "
    "each model. Demos are kept as all other runs and comparisons are. Stop in the header stops "
    "them."
)
BUSY: Final = "While load is under way no demo can be started."
DemoAnswer = tuple[Any, str]
"""As `forms.Answer`, with a link in it."""


def demo_list(page: str, why_not: str) -> html.Div:
    """All demos, each a button and its line; with `why_not` nobody can press them.

    `page` sets the ids of one page apart from those of another.
    """
    rows = [
        html.Li(
            [
                html.Fieldset(
                    html.Button(
                        demo.title,
                        id=_button(page, name),
                        type="button",
                        className="card-action",
                        disabled=bool(why_not),
                    ),
                    id=_starting(page, name),
                    className="starting",
                ),
                html.Span(linked(demo.line)),
            ]
        )
        for name, demo in DEMOS.items()
    ]
    return html.Div(
        [
            html.Div(id=f"{page}-demos-busy", className="dimmed"),
            html.Div(forms.answer_place(_answer(page), sentence(why_not) if why_not else "")),
            action_bar(html.Fieldset(html.Ul(rows), id=f"{page}-demos", className="demos")),
        ],
        className="demos-part",
    )


def demo_menu(page: str, why_not: str) -> html.Fieldset:
    """The same behind a button, for a page that has no room for them."""
    return needs_connection(
        dmc.Popover(
            [
                dmc.PopoverTarget(
                    "Try a demo", boxWrapperProps=BUTTON | {"className": "menu-button"}
                ),
                dmc.PopoverDropdown(
                    [html.P(EXPLAINED, className="dimmed"), demo_list(page, why_not)]
                ),
            ],
            width=660,
            position="bottom-end",
            shadow="md",
            withinPortal=False,
        )
    )


def props(page: str, statuses: Sequence[ListenerStatus], *, is_busy: bool) -> Props:
    """Which demos can be started now, and why the others cannot.

    None can be while any load is under way, and no load run without a listener that runs its app;
    a comparison starts servers of its own. The fieldsets are disabled, not the buttons, which are
    so for a person who may not act at all.
    """
    lacking = {
        name: demo.app
        for name, demo in DEMOS.items()
        if isinstance(demo, LoadDemo) and demo.listener(statuses) is None
    }
    return {
        f"{page}-demos": {"disabled": is_busy},
        f"{page}-demos-busy": {"children": BUSY if is_busy else _hint(lacking)},
        **{_starting(page, name): {"disabled": name in lacking} for name in DEMOS},
    }


def _hint(lacking: Mapping[str, str]) -> Any:
    """Why demos cannot be started, given the app that each of them lacks."""
    if not lacking:
        return ""
    apps = ", ".join(sorted(set(lacking.values())))
    return linked(
        f"{counted(len(lacking), 'demo')} cannot be started: no running listener hosts {apps}. "
        "Start one on the page Servers."
    )


def connect(page: str) -> None:
    """Have the buttons of a page start their demos."""

    @callback(
        *forms.outputs(_answer(page)),
        *(Input(_button(page, name), "n_clicks") for name in DEMOS),
        prevent_initial_call=True,
    )
    def start_demo(*_clicks: object) -> DemoAnswer:
        return start(str(ctx.triggered_id).removeprefix(_button(page, "")))


def start(name: str) -> DemoAnswer:
    """Start a demo; the answer leads to its run or comparison, or says why there is none."""
    board, demo = access.dashboard(), DEMOS.get(name)
    if demo is None:
        return forms.refused("There is no such demo.")
    try:
        if isinstance(demo, ComparisonDemo):
            number = board.start_comparison(demo.request)
            address = comparison_address(number)
            return _led_to(f"{demo.title}: comparison {number}", address)
        number = board.start_load_run(demo.request(board.context.process.listeners()))
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return _led_to(f"{demo.title}: load run {number}", address_of(number))


def _led_to(text: str, href: str) -> DemoAnswer:
    return [dcc.Link(text, href=href, className="way-on"), " was asked for."], forms.DONE


def _button(page: str, name: str) -> str:
    return f"{page}-demo-{name}"


def _starting(page: str, name: str) -> str:
    return f"{page}-demo-{name}-starting"


def _answer(page: str) -> str:
    return f"{page}-demos-answer"
