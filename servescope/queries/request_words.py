"""Words for what a record names by a value of its own: a request that nobody read, and others.

A connection over capacity is turned away before its request is read, and a request line may be
none: such a record has OpenTelemetry's method `_OTHER` and the route `other`. The same values stand
for a method outside the known set, and for the routes beyond those that a listener is counted by.
Exports keep the values.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from servescope.recording.record_layout import OTHER_ROUTE_NAME
from servescope.recording.routes import UNMATCHED
from servescope.request_fields import Method

UNREAD: Final = "No request was read"
TURNED_AWAY: Final = "Turned away unread: too many connections"
OTHER_METHOD: Final = "other method, or none read"
OTHER_ROUTE: Final = "other route, or none read"
NO_ANSWER: Final = "no answer"
"""In place of the status of a request whose connection was closed before an answer began."""

_OTHER: Final = Method._OTHER.name  # noqa: SLF001 - OpenTelemetry's name
_OTHER_METHODS: Final = frozenset((_OTHER, _OTHER.lstrip("_")))


_UNANSWERED: Final = "0"

UNREAD_LABELS: Final = (("http.request.method", _OTHER), ("http.route", OTHER_ROUTE_NAME))
"""Labels of the series in which a listener counts what it answered before it read a request."""


def is_not_read(target: str) -> bool:
    """Whether a request of the log is none that was read: it has no target then."""
    return not target


def is_turned_away(target: str, status: int) -> bool:
    """Whether a request of the log is a connection over capacity, which passed no stage."""
    return is_not_read(target) and status == HTTPStatus.SERVICE_UNAVAILABLE


def client_words(client: str) -> str:
    """The address of a client; a unix socket's has none."""
    return client or "a unix socket"


def is_other_method(method: str) -> bool:
    """Whether it is the value for methods outside the known set, and for a request nobody read."""
    return method in _OTHER_METHODS


def method_label(method: str) -> str:
    """A method of the log by the value that it has in the labels of metrics."""
    return _OTHER if is_other_method(method) else method


def is_unread(method: str, route: str) -> bool:
    """Whether a series with these labels counts what was answered before a request was read."""
    return method in _OTHER_METHODS and route == OTHER_ROUTE_NAME


def is_refused(method: str, route: str) -> bool:
    """Whether a series may count what a listener itself refused: its app names no route then."""
    return route == UNMATCHED or is_unread(method, route)


def is_unanswered(status: str) -> bool:
    """Whether it is the status of requests whose connections were closed before an answer began."""
    return status == _UNANSWERED


def status_words(status: str | int) -> str:
    """A status code as a person reads it."""
    return NO_ANSWER if is_unanswered(str(status)) else str(status)


def method_words(method: str) -> str:
    """A method as a person reads it."""
    return OTHER_METHOD if method in _OTHER_METHODS else method


def route_words(route: str) -> str:
    """A route as a person reads it."""
    return OTHER_ROUTE if route == OTHER_ROUTE_NAME else route


def route_of_method_words(method: str, route: str) -> str:
    """The requests of a method and route, which a table has a row for."""
    if is_unread(method, route):
        return UNREAD
    if method in _OTHER_METHODS:
        return f"other method, {route}"
    return f"{method} {route_words(route)}"


def request_words(method: str, target: str, status: int) -> str:
    """Method and target of one request, or why there are none."""
    if is_not_read(target):
        return TURNED_AWAY if is_turned_away(target, status) else UNREAD
    return f"other method, {target}" if method in _OTHER_METHODS else f"{method} {target}"
