"""`http.route` where nobody tells one: a path with its variable segments folded.

A route is a label of a time series, so there may be few of them: 500 a listener (the recorder sees
to that). A path nobody serves is `UNMATCHED`, or a scanner would use them up.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UNMATCHED: Final = "/{path}"
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
