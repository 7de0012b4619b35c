"""The pages that the navigation leads to, in order: those of Dash's registry that have an icon.

Below such a page stand those that name its path as `below`.
"""

from __future__ import annotations

from typing import Any

import dash


def pages_in_navigation() -> list[dict[str, Any]]:
    """Entries of the page registry, as `dash.register_page` documents them.

    A page is there because its file is in `pages/`: there is no other list of pages.
    """
    pages = (page for page in dash.page_registry.values() if "icon" in page)
    return sorted(pages, key=lambda page: page.get("order") or 0)


def pages_below(page: dict[str, Any]) -> list[dict[str, Any]]:
    """The pages that stand below this one, in the order of their files."""
    return [one for one in dash.page_registry.values() if one.get("below") == page["path"]]
