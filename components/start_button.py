"""The buttons of a form that starts load: Start, and Stop in its place while that load goes on.

While other load is under way, or nothing runs that could be loaded, Start is disabled, with the
reason: one thing sends load at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import Input, State, callback, html

from components import forms
from components.page_links import linked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from components.live import Props

BUSY: Final = (
    "Other load is under way: wait for its end, or press Stop in the header where there is one."
)
NO_TARGET: Final = "There is nothing to load: start a listener on the page Servers."


def start_actions(
    prefix: str, start: str, stop: str, *, answer_id: str, why_not: str = ""
) -> html.Div:
    """Both buttons, labelled `start` and `stop`; nobody can press Start where `why_not` says so."""
    return forms.actions(
        html.Fieldset(
            dmc.Button(start, id=f"{prefix}-start", disabled=bool(why_not), miw=110),
            id=f"{prefix}-starting",
            className="starting",
        ),
        dmc.Button(stop, id=f"{prefix}-stop", color="red", display="none", miw=110),
        html.Span(id=f"{prefix}-busy", className="dimmed"),
        answer_id=answer_id,
        why_not=why_not,
    )


def connect(
    prefix: str,
    answer_id: str,
    fields: Sequence[str],
    start: Callable[..., forms.Answer],
    stop: Callable[..., forms.Answer],
) -> None:
    """Register the callbacks of both; `start` gets its clicks and the values of the fields."""
    forms.forget_refusals(*fields)
    callback(
        *forms.outputs(answer_id),
        Input(f"{prefix}-start", "n_clicks"),
        *(State(field, "value") for field in fields),
        prevent_initial_call=True,
    )(start)
    callback(
        *forms.outputs(answer_id, again=True),
        Input(f"{prefix}-stop", "n_clicks"),
        prevent_initial_call=True,
    )(stop)


def props(prefix: str, *, is_active: bool, is_busy: bool, has_target: bool = True) -> Props:
    """How the buttons stand: `is_active` while this form's load goes on, `is_busy` while any does.

    `has_target`: there is something that can be loaded. The fieldset is disabled, not the button,
    which is so for a person who may not act at all.
    """
    is_blocked = not is_active and (is_busy or not has_target)
    return {
        f"{prefix}-start": {"display": "none" if is_active else "block"},
        f"{prefix}-starting": {"disabled": is_blocked},
        f"{prefix}-stop": {"display": "block" if is_active else "none"},
        f"{prefix}-busy": {
            "children": "" if not is_blocked else BUSY if is_busy else linked(NO_TARGET)
        },
    }
