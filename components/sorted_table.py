"""Tables whose order, page and choice are in the page's address: headings that sort, page buttons.

Each button names the filters of the page that it changes, in `data-narrow`; `assets/request_log.js`
hands them to the view, and the next poll brings the rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dash import html

from components.help import attributes

if TYPE_CHECKING:
    from collections.abc import Collection

    from dash.development.base_component import Component


def narrowing(filters: dict[str, str], meaning: str, *, anew: bool = False) -> dict[str, Any]:
    """Attributes of a button that narrows its page; `anew` takes all other filters back."""
    further = {"data-anew": ""} if anew else {}
    return {
        **attributes(aria_label=meaning, data_narrow=json.dumps(filters)),
        **further,
        "title": meaning,
    }


def sort_heading(
    key: str, title: str, kind: str, order: str, steepest_first: Collection[str]
) -> html.Th:
    """The heading of a column, which sorts by `key`; without a key it is a text.

    `order` is the present one, a minus in front sorts downwards: first so those `steepest_first`.
    """
    if not key:
        return html.Th(title, className=kind)
    is_by_it = order.removeprefix("-") == key
    is_downwards = order.startswith("-")
    steep = f"-{key}" if key in steepest_first else key
    turned = key if is_downwards else f"-{key}"
    sign = (" \N{DOWNWARDS ARROW}" if is_downwards else " \N{UPWARDS ARROW}") if is_by_it else ""
    sorts = "descending" if is_downwards else "ascending"
    return html.Th(
        html.Button(
            f"{title}{sign}",
            type="button",
            className="sorts",
            **narrowing({"order": turned if is_by_it else steep}, f"Sort by {title.lower()}"),
        ),
        className=kind,
        **attributes(aria_sort=sorts if is_by_it else "none"),
    )


def page_buttons(page: int, pages: int, page_rows: int, matching: int) -> list[Component]:
    """The way to the page before and the one after, and which rows are shown."""
    first = (page - 1) * page_rows + 1
    last = min(page * page_rows, matching)
    return [
        _page_button("Previous", page - 1, enabled=page > 1),
        html.Span(f"{first:,}\N{EN DASH}{last:,} of {matching:,}"),
        _page_button("Next", page + 1, enabled=page < pages),
    ]


def _page_button(text: str, page: int, *, enabled: bool) -> html.Button:
    return html.Button(
        text,
        type="button",
        className="menu-button",
        disabled=not enabled,
        **attributes(data_narrow=json.dumps({"page": str(page) if page > 1 else ""})),
    )
