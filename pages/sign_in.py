"""Sign in as the operator, to change something: asked for only where a password is set."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, dcc, html, no_update, register_page

from components import forms
from components.access import dashboard, why_not
from components.action_bar import action_bar
from components.path_prefix import below_prefix
from components.status import sentence
from servescope.errors import ServescopeError

register_page(__name__, path="/sign-in", name="Sign in", title="Sign in · Servescope")

ASKED = "Everyone may look. To change something, give the operator's password."
OPEN = "No password is set: a person at this machine may change things, nobody else."
SIGNED_IN = "You are signed in and may change what runs here: listeners, load and captures."


ANSWER = "sign-in-answer"
forms.forget_refusals("sign-in-password")


@callback(
    Output("sign-in-goto", "href"),
    *forms.outputs(ANSWER),
    Input("sign-in", "n_clicks"),
    State("sign-in-password", "value"),
    prevent_initial_call=True,
)
def sign_in(_clicks: object, password: object) -> tuple[object, str, str]:
    """Go to the overview with the right to act, or say what stood in the way."""
    try:
        right = dashboard().sign_in(password)
    except ServescopeError as error:
        return no_update, *forms.refused(sentence(error))
    if not right:
        return no_update, *forms.refused("This is not the operator's password.")
    return below_prefix("/"), *forms.done("")


@callback(
    Output("sign-in-goto", "href", allow_duplicate=True),
    *forms.outputs(ANSWER, again=True),
    Input("sign-out", "n_clicks"),
    prevent_initial_call=True,
)
def sign_out(_clicks: object) -> tuple[object, str, str]:
    """Give the right to act back, or say what stood in the way."""
    try:
        dashboard().sign_out()
    except ServescopeError as error:
        return no_update, *forms.refused(sentence(error))
    return below_prefix("/"), *forms.done("")


def _who_may_act(*, has_password: bool, may_act: bool) -> str:
    """The sentence that tells this visitor who may change something."""
    if has_password:
        return SIGNED_IN if may_act else ASKED
    return OPEN if may_act else sentence(why_not())


def layout(**_query: str) -> html.Div:
    """The form, or what is so without one."""
    board = dashboard()
    may_act = board.may_act()
    asks = board.has_password and not may_act
    return html.Div(
        className="no-live sign-in",
        children=[
            dcc.Location(id="sign-in-goto", refresh=True),
            dmc.Title("Sign in", order=1, size="h3"),
            dmc.Text(
                _who_may_act(has_password=board.has_password, may_act=may_act),
                c="dimmed",
                my="sm",
            ),
            html.Div(
                [
                    forms.form(
                        [
                            dmc.PasswordInput(
                                id="sign-in-password",
                                label="Operator's password",
                                autoComplete="current-password",
                            )
                        ],
                        ANSWER,
                        submit="sign-in",
                    ),
                    action_bar(dmc.Button("Sign in", id="sign-in", mt="md")),
                ],
                hidden=not asks,
            ),
            action_bar(
                dmc.Button(
                    "Sign out",
                    id="sign-out",
                    variant="default",
                    display="inline-block" if board.has_password and may_act else "none",
                )
            ),
            html.Div(forms.answer_place(ANSWER), className="actions"),
        ],
    )
