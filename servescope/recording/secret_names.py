"""The names that stand for secrets, and targets without the values of those.

A recorder writes to the disk, so a secret must be masked before. The standard library alone: the
recorders within other people's apps use it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

MASK: Final = "[masked]"
"""Stands in the place of a secret, whatever its length."""

_PARTS: Final = re.compile(
    r"passw|passphrase|pwd|secret|token|apikey|accesskey|privatekey|credential|authori[sz]ation"
    r"|sessionid|jwt|csrf|xsrf|signature"
)
_WHOLE: Final = frozenset(
    ("auth", "otp", "pass", "pin", "session", "sid", "sig", "cvc", "cvv", "ssn")
)
Span = tuple[int, int]
"""Begin and end of a secret in a text or in bytes."""

_SEPARATORS: Final = re.compile(r"[-_.\s\[\]]+")
_USER_INFO: Final = re.compile(r"//([^/?#\s]*)@")
_LONGEST_NAME: Final = 200
_MOST_KNOWN: Final = 1_024  # an app names its parameters alike in each request


def is_secret_name(name: str) -> bool:
    """Whether a field, parameter or key of this name, such as `csrf-token`, holds a secret.

    In doubt it does: to mask without need costs less than to show a secret.
    """
    return _is_secret(name[:_LONGEST_NAME])


@lru_cache(maxsize=_MOST_KNOWN)
def _is_secret(name: str) -> bool:
    plain = _SEPARATORS.sub("", name).lower()
    return plain in _WHOLE or _PARTS.search(plain) is not None


def mask_target(target: str, *, every_value: bool = False) -> str:
    """A request target, or any other URL, without the secrets in it.

    Those are the values of query parameters that are named like secrets, or of every one, and
    the user information in front of a host (RFC 3986 section 3.2.1).
    """
    if "?" not in target and "@" not in target:
        return target
    spans = target_spans(target, every_value=every_value)
    return masked(target, spans) if spans else target


def target_spans(target: str, *, every_value: bool = False) -> list[Span]:
    """The secrets of a URL."""
    spans = [found.span(1) for found in _USER_INFO.finditer(target)]
    begin = target.find("?") + 1
    if begin:
        end = target.find("#", begin)
        query = target[begin:] if end < 0 else target[begin:end]
        spans += [
            (begin + start, begin + stop)
            for start, stop in query_spans(query, every_value=every_value)
        ]
    return spans


def query_spans(query: str, *, every_value: bool = False) -> list[Span]:
    """The values of secrets in a query string or an urlencoded form, or every value.

    Some parse `;` as a separator, others as part of a value: a secret lasts until the next `&`.
    """
    spans: list[Span] = []
    start = 0
    for part in query.split("&"):
        at = start
        for pair in part.split(";"):
            name, mark, _ = pair.partition("=")
            value_at = at + len(name) + 1
            if mark and (every_value or is_secret_name(unquote_plus(name))):
                spans.append((value_at, start + len(part)))
                break
            if every_value and not mark:  # a query without names may be the secret itself
                spans.append((at, start + len(part)))
                break
            at += len(pair) + 1
        start += len(part) + 1
    return [(begin, end) for begin, end in spans if end > begin]


def masked(text: str, spans: list[Span]) -> str:
    """The text with MASK in the place of each span, in whatever order they come."""
    parts, at = [], 0
    for begin, end in merged(spans):
        parts += [text[at:begin], MASK]
        at = end
    return "".join([*parts, text[at:]])


def merged(spans: list[Span]) -> list[Span]:
    """Spans in ascending order, those that overlap as one; empty ones go."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin < found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif end > begin:
            found.append((begin, end))
    return found
