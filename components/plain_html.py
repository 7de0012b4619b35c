"""Components as plain data, which the browser turns into elements without React.

A table of fifty rows has a thousand components, each of which Dash follows by itself: mounting them
takes a browser seconds. As one property `tree` they are drawn by `assets/plain_html.js` at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import dcc

if TYPE_CHECKING:
    from dash.development.base_component import Component

Node = str | list[Any]
"""A text, or `[tag, attributes, child, …]`."""

_NAMES: Final = {"className": "class"}
_INNER: Final = {"children", "style"}


def tree(shown: object) -> list[Node]:
    """The nodes of a component of `dash.html`, a `dcc.Link`, a text, or a sequence of those."""
    if shown is None:
        return []
    if isinstance(shown, (list, tuple)):
        return [node for one in shown for node in tree(one)]
    if isinstance(shown, (str, int, float)):
        return [str(shown)]
    return [_element(shown)]  # type: ignore[arg-type]  # whatever else is shown is a component


def _element(component: Component) -> Node:
    props = component.to_plotly_json()["props"]  # type: ignore[no-untyped-call]
    attributes = {
        _NAMES.get(name, name): "" if value is True else str(value)
        for name, value in props.items()
        if name not in _INNER and value is not None and value is not False
    }
    if "style" in props:
        attributes["style"] = "; ".join(
            f"{name}: {value}" for name, value in props["style"].items()
        )
    name = type(component).__name__.lower()
    if isinstance(component, dcc.Link):
        name, attributes["data-page"] = "a", ""
    return [name, attributes, *tree(props.get("children"))]
