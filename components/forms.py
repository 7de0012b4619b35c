"""The behaviour that all forms have: one place for the answer, Enter, Escape, errors that go.

A form's answer says what came of its button, or why nothing did. A refusal goes as soon as a field
is edited, and with the next answer; a sentence about load under way goes when that is over.
`assets/forms.js` sees to both, and to the keys: Enter in a field presses the form's main button,
Escape the one that takes back what was typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import ClientsideFunction, Input, Output, clientside_callback, html

from components.action_bar import action_bar
from components.help import attributes
from components.page_links import Linked, linked

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE: Final = "answer"
OF_LOAD: Final = "answer of-load"
REFUSED: Final = "answer refused"

Answer = tuple[Linked, str]
"""The text, and the class that says how long it holds, and whether it is a refusal."""


def done(text: str) -> Answer:
    """The answer that something came of it, or is so."""
    return linked(text), DONE


def of_load(text: str) -> Answer:
    """The answer about load that goes on, which is no longer true when that is over."""
    return linked(text), OF_LOAD


def refused(text: str) -> Answer:
    """The answer that nothing was done, and why."""
    return linked(text), REFUSED


def outputs(answer_id: str, *, again: bool = False) -> tuple[Output, Output]:
    """The outputs of a callback for an Answer; `again` where another callback has them, too."""
    return (
        Output(answer_id, "children", allow_duplicate=again),
        Output(answer_id, "className", allow_duplicate=again),
    )


def form(fields: Sequence[Any], answer_id: str, submit: str, revert: str = "") -> html.Div:
    """The fields of a form; `submit` and `revert` are ids of its buttons."""
    keys = {"data_answer": answer_id, "data_enter": submit, "data_escape": revert}
    return html.Div(list(fields), className="load-form", **attributes(**keys))


def actions(*buttons: Any, answer_id: str, why_not: str = "") -> html.Div:
    """The buttons of a form and its answer; at first `why_not`, which says why one may not act."""
    return html.Div(action_bar(*buttons, answer_place(answer_id, why_not)), className="actions")


def answer_place(answer_id: str, text: str = "") -> html.Span:
    """The place of an answer; assistive technology reads it when it changes."""
    return html.Span(linked(text), id=answer_id, className=DONE, role="status")


def forget_when_over(strip: str) -> None:
    """Have every answer `of_load` go when the header's strip about load under way is hidden."""
    clientside_callback(
        ClientsideFunction("forms", "over"), Input(strip, "style"), prevent_initial_call=True
    )


def forget_refusals(*fields: str) -> None:
    """Have the error of each field, and the form's refusal, go when the field is edited."""
    clientside_callback(
        ClientsideFunction("forms", "mend"),
        *(Input(field, "value") for field in fields),
        prevent_initial_call=True,
    )
