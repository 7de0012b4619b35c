"""Buttons that have the server do something, and what stands there while it cannot be reached."""

from __future__ import annotations

from typing import Any

from dash import html


def action_bar(*children: Any, className: str = "") -> html.Fieldset:  # noqa: N803 - Dash's name
    """The buttons, with their answers beside them.

    `assets/live_answer.js` disables them all while there is no connection, and says so in here: a
    click would have no effect and no answer.
    """
    return html.Fieldset(
        [*children, html.Span(className="no-action-now", role="status")],
        className=f"acts {className}".strip(),
    )


def needs_connection(menu: Any) -> html.Fieldset:
    """A menu or popover whose contents only the server can carry out: its button is disabled, too.

    It says no reason of its own: the text beside it, or in it, does.
    """
    return html.Fieldset(menu, className="acts")
