"""Hello, world with Dash: a page that answers while somebody types."""

from dash import Dash, Input, Output, callback, dcc, html

layout = html.Div(
    [
        html.H1("Hello, world"),
        html.Label(["Your name: ", dcc.Input(id="hello-name", type="text", value="")]),
        html.P(id="hello-greeting"),
    ]
)


@callback(Output("hello-greeting", "children"), Input("hello-name", "value"))
def greet(name):
    return f"Hello, {name or 'world'}!"


if __name__ == "__main__":
    app = Dash(__name__)
    app.layout = layout
    app.run(port=8051)
