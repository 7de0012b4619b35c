"""The field of a chapter's guess: a number, a choice, or a curve to draw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html

from components.help import attributes
from servescope.chapters.guesses import ChoiceGuess, NumberGuess

if TYPE_CHECKING:
    from servescope.chapters.guesses import CurveGuess, Guess

GUESS: Final = "chapter-guess"
"""The id of the field, whatever its kind; its `value` is as ExperimentRequest has it."""

CURVE: Final = "chapter-curve"


def guess_field(guess: Guess) -> Any:
    """The field, empty: a person commits to a guess."""
    if isinstance(guess, NumberGuess):
        return dmc.NumberInput(
            id=GUESS,
            label=f"{guess.label} … {guess.unit}",
            placeholder="Your guess",
            clampBehavior="none",
            thousandSeparator=",",
        )
    if isinstance(guess, ChoiceGuess):
        return dmc.RadioGroup(
            dmc.Stack([dmc.Radio(label, value=name) for name, label in guess.choices], gap="xs"),
            id=GUESS,
            label=guess.label,
            className="wide",
        )
    return _curve_field(guess)


def _curve_field(guess: CurveGuess) -> html.Div:
    """An upright slider for each place, made in the browser; drawing over them moves them."""
    drawn = {"places": guess.places, "most": guess.most, "unit": guess.unit, "field": GUESS}
    return html.Div(
        [
            html.Span(f"{guess.label}, {guess.unit}", id="chapter-curve-label"),
            html.Div(
                id=CURVE,
                className="curve-guess",
                role="group",
                **attributes(aria_labelledby="chapter-curve-label", data_curve=json.dumps(drawn)),
            ),
            html.Span(
                "Draw over the columns, or move each with the arrow keys: from 0 at the bottom to "
                f"{guess.most:g}\N{NO-BREAK SPACE}{guess.unit} at the top.",
                className="dimmed",
            ),
            dcc.Input(id=GUESS, type="hidden", value=""),
        ],
        className="wide",
    )


clientside_callback(
    ClientsideFunction("curveGuess", "build"), Output(CURVE, "title"), Input(CURVE, "id")
)
