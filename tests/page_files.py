"""The pages of the navigation as their files register them, for tests that run outside of Dash.

`tests/pages/test_all_pages.py` holds them against Dash's own registry.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages"


@dataclass(frozen=True)
class PageFile:
    """A page: its module, its place in the navigation, the ids of its graphs in order."""

    module: str
    path: str
    name: str
    order: int
    graphs: tuple[str, ...]


@functools.cache
def pages_in_navigation():
    """The pages with an icon, in order.

    They are read once, while tests are collected: until Python 3.11.8 two threads that parse at the
    same time may fail each other (CPython's issue 106905), and a running app parses names of apps.
    """
    found = filter(None, map(_read, sorted(PAGES.glob("*.py"))))
    return sorted(found, key=lambda page: page.order)


def live_pages():
    """The pages with an icon that show graphs, in order."""
    return [page for page in pages_in_navigation() if page.graphs]


def _read(file):
    body = ast.parse(file.read_text()).body
    registered = [
        one.value
        for one in body
        if isinstance(one, ast.Expr) and _name_of(one.value) == "register_page"
    ]
    if not registered:  # a file of several pages registers them in a loop: none has an icon
        return None
    (register,) = registered
    given = {one.arg: ast.literal_eval(one.value) for one in register.keywords}
    if "icon" not in given:
        return None
    graphs = tuple(
        ast.literal_eval(call.args[0])
        for one in body
        if isinstance(one, ast.AnnAssign) and one.target.id == "GRAPHS"
        for call in one.value.elts
        if _name_of(call) == "LiveGraph"
    )
    return PageFile(file.stem, given["path"], given["name"], given["order"], graphs)


def _name_of(call):
    """The name of the function that is called; nothing for another expression."""
    return call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
