from dash import dcc, html

from components.plain_html import tree


def test_a_component_becomes_its_tag_its_attributes_and_its_children():
    shown = html.Td(
        ["5 ", html.Button("x", type="button", disabled=True, hidden=False, title=None)],
        className="number",
        style={"--share": "0.5"},
        **{"data-request": "7"},
    )
    assert tree(shown) == [
        [
            "td",
            {"class": "number", "data-request": "7", "style": "--share: 0.5"},
            "5 ",
            ["button", {"type": "button", "disabled": ""}, "x"],
        ]
    ]


def test_texts_numbers_and_nothing():
    assert tree(["a", None, 5, [html.Br()]]) == ["a", "5", ["br", {}]]


def test_a_link_of_dash_is_one_that_keeps_the_document():
    assert tree(dcc.Link("Ports", href="/ports")) == [
        ["a", {"href": "/ports", "data-page": ""}, "Ports"]
    ]
