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
from servescope.actions.load_demos import DEMOS, ComparisonDemo
from servescope.errors import ServescopeError

if TYPE_CHECKING:
    from components.live import Props

EXPLAINED: Final = (
    "Each demo sends load to a bundled app for 10 seconds; a comparison sends it for 2 seconds to "
    "each model. Demos are kept as all other runs and comparisons are. Stop in the header stops "
    "them."
)
BUSY: Final = "While load is under way no demo can be started."
NO_LISTENER: Final = (
    "No listener runs: the comparisons start servers of their own, every other demo needs a "
    "listener. Start one on the page Servers."
)

DemoAnswer = tuple[Any, str]
"""As `forms.Answer`, with a link in it."""


def demo_list(page: str, why_not: str) -> html.Div:
    """All demos, each a button and its line; with `why_not` nobody can press them.

    `page` sets the ids of one page apart from those of another.
    """
    rows = [
        html.Li(
            [
                html.Button(
                    demo.title,
                    id=_button(page, name),
                    type="button",
                    className="card-action",
                    disabled=bool(why_not),
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


def props(page: str, *, is_busy: bool, has_listener: bool) -> Props:
    """Whether a demo can be started now: not while any load is under way.

    Without a listener that runs it says which demos can.
    """
    hint = "" if has_listener else linked(NO_LISTENER)
    return {
        f"{page}-demos": {"disabled": is_busy},
        f"{page}-demos-busy": {"children": BUSY if is_busy else hint},
    }


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


def _answer(page: str) -> str:
    return f"{page}-demos-answer"
