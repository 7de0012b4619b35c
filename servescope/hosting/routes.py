"""`http.route` where nobody tells one: a path with its variable segments folded.

A route is a label of a time series, so there may be few of them: 500 a listener (the recorder sees
to that). A path nobody serves is `UNMATCHED`, or a scanner would use them up.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNMATCHED: Final = "/{path}"
ROUTE_KEY: Final = "servescope.route"
"""An app may put its route template here, in the environ or scope; it wins over all else."""

NOBODYS: Final = frozenset({"404", "405"})
"""Statuses of a path that matched no route."""

WERKZEUG_REQUEST: Final = "werkzeug.request"
"""Where werkzeug.wrappers.Request puts itself, in the environ."""

MAX_SEGMENTS: Final = 6

# A number, a UUID (RFC 9562), or hexadecimal of 16 digits and more (a hash, a token).
_VARIABLE = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
)


@lru_cache(maxsize=4096)
def fold_path(target: str) -> str:
    """The route of a target, e.g. `/users/{id}/notes` for `/users/17/notes?page=2`."""
    path = target.partition("?")[0]
    segments = path.split("/")
    folded = ["{id}" if _VARIABLE.fullmatch(segment) else segment for segment in segments]
    if len(folded) > MAX_SEGMENTS + 1:
        folded = [*folded[: MAX_SEGMENTS + 1], "{path}"]
    return "/".join(folded)


def environ_route(environ: Mapping[str, Any], status: str, path: str) -> str:
    """The route of a WSGI request, as far as the app tells it at its `start_response`.

    `servescope.route`, else the rule that Werkzeug matched, else the folded `path`. Flask takes its
    request out of the environ when the app returns: ask before.
    """
    told = environ.get(ROUTE_KEY)
    if told:
        return str(told)
    rule = getattr(environ.get(WERKZEUG_REQUEST), "url_rule", None)
    if rule is not None:
        return f"{environ.get('SCRIPT_NAME', '')}{rule.rule}"
    return UNMATCHED if status in NOBODYS else fold_path(path)
