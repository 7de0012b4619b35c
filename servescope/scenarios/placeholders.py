"""Placeholders: a text compiled once into what is filled in for each request.

Theory of operation. `{name}` is a placeholder; `{{` and `}}` are braces, and a brace that is
neither is an error. A JSON body is full of braces of its own, so there only `{name}` is a
placeholder (JSON never has a bare name within braces), `{{name}}` is `{name}`, and each other
brace stands for itself.

A value is escaped for the place where it is put, so that none can end what it stands in: it is
percent-encoded in a target and in a form, escaped as within the quotes of a JSON string, and kept
as it is in a header field, in a text and in a message, where a field refuses whatever RFC 9110
section 5.5 does: CR, LF and NUL among others. A value that is the whole target, as that of Location
is, keeps its slashes, its query and what it has percent-encoded already.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from servescope.errors import LoadRefusedError, UnfitValueError
from servescope.records.scenarios import BodyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from servescope.records.scenarios import RequestStep

COUNTER: Final = "n"
"""The name of the counter that each request of a step adds 1 to."""

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
MAX_FILLED_FIELD: Final = 8_190
"""Most characters of a target, and of the value of a header field; a server should take a target of
8,000 (RFC 9112 section 3)."""

MAX_FILLED_BODY: Final = 1_048_576
"""Longest body or message, in characters, with its values."""

CONTENT_TYPES: Final = {
    BodyKind.TEXT: "text/plain; charset=utf-8",
    BodyKind.JSON: "application/json",
    BodyKind.FORM: "application/x-www-form-urlencoded",
}
CONTENT_TYPE: Final = "Content-Type"

_OF_TARGET: Final = "/?:@!$&'()*+,;=%"  # RFC 3986 sections 3.3 and 3.4, and what is encoded already
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REFERENCE: Final = re.compile(r"(?:https?://[^/?#]+|(?=/(?!/)))([^#]*)", re.IGNORECASE)

_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 section 5.5
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ALONE: Final = re.compile(rf"\{{{NAME.pattern}\}}")
_JSON_TOKEN: Final = re.compile(rf"\{{\{{({NAME.pattern})\}}\}}|\{{({NAME.pattern})\}}")


def _in_target(value: str) -> str:
    return value if value.isascii() and value.isalnum() else quote(_encodable(value), safe="")


def _as_target(value: str) -> str:
    """The path and query of a URI reference (RFC 3986); the request goes to the run's server."""
    reference = _REFERENCE.match(value)
    if reference is None:
        raise UnfitValueError(f"{value[:40]!r} is no path that starts with '/', and no http(s) URL")
    target = _LONE_PERCENT.sub("%25", reference[1])
    return quote(_encodable(target if target.startswith("/") else f"/{target}"), safe=_OF_TARGET)


def _in_field(value: str) -> str:
    if not _FIELD_VALUE.fullmatch(value):
        odd = next(one for one in value if not _FIELD_VALUE.fullmatch(one))
        raise UnfitValueError(f"a header field may not hold {odd!r}")
    return value


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _in_form(value: str) -> str:
    return value if value.isascii() and value.isalnum() else quote_plus(_encodable(value))


def _encodable(value: str) -> str:
    """The value as it is. Raises UnfitValueError for one that UTF-8 cannot say."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            odd = value[error.start]
            raise UnfitValueError(f"{odd!r} is half a character: UTF-8 cannot say it") from None
    return value


class Place(Enum):
    """Where a template stands: how it is read, how values are escaped, how long it may become."""

    TARGET = (_in_target, MAX_FILLED_FIELD)
    WHOLE_TARGET = (_as_target, MAX_FILLED_FIELD)
    FIELD = (_in_field, MAX_FILLED_FIELD)
    TEXT = (_encodable, MAX_FILLED_BODY)
    JSON = (_in_json, MAX_FILLED_BODY)
    FORM = (_in_form, MAX_FILLED_BODY)

    def __init__(self, escape: Callable[[str], str], most: int) -> None:
        self.escape = escape
        self.most = most

    @classmethod
    def of_target(cls, text: str) -> Place:
        """The place of the values in this target: one placeholder alone is the whole of it."""
        return cls.WHOLE_TARGET if _ALONE.fullmatch(text) else cls.TARGET

    @classmethod
    def of_body(cls, kind: BodyKind) -> Place:
        """The place that a body of this kind is."""
        return {BodyKind.TEXT: cls.TEXT, BodyKind.JSON: cls.JSON, BodyKind.FORM: cls.FORM}[kind]


class Template:
    """A text with placeholders.

    Raises LoadRefusedError for a brace that belongs to none, and for text that cannot stand there.
    """

    __slots__ = ("_escape", "_format", "_most", "names", "place", "text")

    def __init__(self, text: str, place: Place) -> None:
        self.text = text
        self.place = place
        _encodable(text)
        if place is Place.FIELD:
            _in_field(text)
        literals, names = _parsed(text, place)
        self.names: tuple[str, ...] = names
        """Of its placeholders, in order."""
        self._format = "%s".join(literal.replace("%", "%%") for literal in literals)
        self._escape = place.escape
        self._most = place.most

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with the values in it.

        Raises KeyError for a name without a value, and UnfitValueError when a value cannot stand
        there or makes the text too long.
        """
        escape = self._escape
        filled = self._format % tuple([escape(values[name]) for name in self.names])
        if len(filled) > self._most:
            raise UnfitValueError(
                f"{filled[:40]!r}… has {len(filled):,} characters with its values; "
                f"it may have at most {self._most:,}"
            )
        return filled


class RequestTemplate:
    """A request of a scenario, compiled. Raises LoadRefusedError as `Template`."""

    __slots__ = ("body", "fields", "method", "names", "target")

    def __init__(self, step: RequestStep) -> None:
        self.method = step.method
        self.target = Template(step.target, Place.of_target(step.target))
        fields = list(step.headers)
        if step.body and not any(name.lower() == CONTENT_TYPE.lower() for name, _ in fields):
            fields.append((CONTENT_TYPE, CONTENT_TYPES[step.body_kind]))
        self.fields = tuple((name, Template(value, Place.FIELD)) for name, value in fields)
        """Header fields in order, Content-Type of a body among them."""
        self.body = Template(step.body, Place.of_body(step.body_kind))
        self.names = frozenset(_names((self.target, self.body, *(one for _, one in self.fields))))
        """All that must have a value; none: each request is the same."""


def _names(templates: Iterable[Template]) -> Iterable[str]:
    return (name for template in templates for name in template.names)


def _parsed(text: str, place: Place) -> tuple[list[str], tuple[str, ...]]:
    """The text around the placeholders, one more than these, and their names."""
    literals, names, end = [""], [], 0
    for match in (_JSON_TOKEN if place is Place.JSON else _TOKEN).finditer(text):
        literals[-1] += text[end : match.start()]
        end = match.end()
        literal, name = _token(match, place)
        if name:
            names.append(name)
            literals.append("")
        else:
            literals[-1] += literal
    literals[-1] += text[end:]
    return literals, tuple(names)


def _token(match: re.Match[str], place: Place) -> tuple[str, str]:
    """A literal, or the name of a placeholder. Raises LoadRefusedError for neither."""
    if place is Place.JSON:
        return (f"{{{match[1]}}}", "") if match[1] else ("", match[2])
    token = match[0]
    if token in {"{{", "}}"}:
        return token[0], ""
    at = f"at position {match.start() + 1}"
    if len(token) == 1:
        raise LoadRefusedError(
            f"a {token!r} {at} belongs to no placeholder: write {token * 2} for a brace"
        )
    if not NAME.fullmatch(match[1]):
        raise LoadRefusedError(
            f"{token[:40]!r} {at} is no placeholder: a name is of letters, digits, '_', '-' and "
            "'.', and {{ and }} are braces"
        )
    return "", match[1]
