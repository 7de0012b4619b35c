"""A Dash app with one callback, hosted over the wire by the tests."""

from dash import Dash, Input, Output, html

dash_app = Dash(__name__, suppress_callback_exceptions=True)
dash_app.layout = html.Div("hello")
server = dash_app.server


@dash_app.callback(Output("out", "children"), Input("in", "value"))
def answer(value: str) -> str:
    return f"{value}!"
