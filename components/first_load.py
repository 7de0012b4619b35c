"""The first load of a page: all that the browser would ask for next, within the document.

By itself Dash asks for the layout and the callbacks, then for the page, then for the first answer,
each when the one before has been drawn. Here the document brings all four, with the first answer in
its place in the layout. `assets/first_load.js` hands them to whoever would ask. A browser that does
not take them asks as ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from dash._pages import _parse_query_string, _path_to_page
from flask import request

from components import access, live, query
from components.shell import Content, shell
from servescope.errors import ServescopeError
from servescope.queries.span import DEFAULT_RANGE, Compared, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import dash

_NOT_IN_LAYOUT: Final = "tree"
"""A part of an answer that is no property of a component: the browser draws it."""

_LAST_WRITTEN: Final = re.compile(r"\d{1,9}[smhdwy]")
_SECOND: Final = re.compile(r"[1-9]\d{0,11}")

_AS_DASH_WRITES: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

Node = dict[str, Any]
"""A component as JSON: type, namespace and props."""

# Functions that Dash's own router calls; Dash gives them no types.
_page_at: Callable[[str], tuple[dict[str, Any], dict[str, str] | None]] = _path_to_page
_query_of: Callable[[str], dict[str, Any]] = _parse_query_string


def first_load(app: dash.Dash) -> str:
    """The data as JSON for the page that is requested; empty where there is no such page."""
    try:
        content = _content()
    except ServescopeError:
        return ""  # the page's own request says what is wrong
    if content is None:
        return ""
    layout = orjson.loads(orjson.dumps(shell(content), _to_json, _AS_DASH_WRITES))
    components = {node["props"]["id"]: node for node in _nodes(layout) if "id" in node["props"]}
    view = view_of(request.args)
    answer = _first_answer(components, view)
    if answer is not None:
        _place(answer["props"], components)
    parts = {
        "layout": layout,
        "dependencies": orjson.Fragment(app.dependencies().get_data()),
        "view": view,
        "answer": answer,
    }
    return orjson.dumps(parts).decode()


def _to_json(part: Any) -> Any:
    """A component, which orjson does not know.

    Dash's own encoder goes through all values of the layout first, in Python.
    """
    return part.to_plotly_json()


def _content() -> Content | None:
    """The requested page, as Dash's router makes it; None where it is none of ours."""
    page, variables = _page_at(request.path.strip("/"))
    if not page:
        return None
    layout, title, variables = page["layout"], page["title"], variables or {}
    if callable(layout):
        search = f"?{request.query_string.decode()}"
        layout = layout(**variables, **_query_of(search))
    return Content(layout, title(**variables) if callable(title) else title)


def _nodes(tree: Node | list[Any]) -> Iterator[Node]:
    """All components of a layout, in whatever property they are."""
    if isinstance(tree, dict) and "namespace" in tree and "props" in tree:
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(value, (dict, list)):
            yield from _nodes(value)


def view_of(written: Mapping[str, str]) -> dict[str, str | int]:
    """The view of an address's query, as `fromUrl` of `assets/live_view.js` reads it.

    The browser compares; where it reads another one it asks for that.
    """
    last, compared = written.get("last", ""), written.get("compare", "")
    view: dict[str, str | int] = {
        "last": last if _LAST_WRITTEN.fullmatch(last) else DEFAULT_RANGE.key,
        "host": written.get("host", ""),
    }
    if compared in set(Compared) - {Compared.NOTHING}:
        view["compare"] = compared
    start, end = written.get("from", ""), written.get("to", "")
    begins = start if start == "start" else _second(start)
    if end == "now" and begins:
        view |= {"from": begins, "to": end}
    elif _second(start) and _second(end) > _second(start):
        view |= {"from": _second(start), "to": _second(end)}
    return view


def _second(text: str) -> int:
    return int(text) if _SECOND.fullmatch(text) else 0


def _first_answer(components: Mapping[str, Node], view: Mapping[str, object]) -> Node | None:
    """The answer to the first poll of the page; None where it has none."""
    page = next((page for page in live.pages() if f"{page.name}-delta" in components), None)
    if page is None:
        return None
    names = (*page.narrowed_by, *page.table_filters)
    if not components.keys() >= set(names):
        return None
    chosen = tuple(query.first(components[name]["props"].get("value")) for name in names)
    try:
        process = access.context().process
        context, shown = live.shown_by(page, process, View.read(view), chosen)
        sealed = live.sealed(page, context, shown, None, chosen)
    except ServescopeError:
        return None
    answer: Node = orjson.loads(sealed["text"])
    return answer | {"now": sealed["now"]}


def _place(props: live.Props, components: Mapping[str, Node]) -> None:
    """Set the properties of the components that are there."""
    for name in props.keys() & components.keys():
        values = {key: value for key, value in props[name].items() if key != _NOT_IN_LAYOUT}
        components[name]["props"].update(values)
