"""The values that fields of a request's record have, as enumerations.

A module of their own, because the recorders import it in other people's apps: see
`servescope.middleware`.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final


class Method(IntEnum):
    """Request methods by RFC 9110 section 9 and RFC 5789; anything else is `_OTHER`.

    `_OTHER` is OpenTelemetry's value for a method outside the known set.
    """

    _OTHER = 0
    GET = 1
    HEAD = 2
    POST = 3
    PUT = 4
    DELETE = 5
    CONNECT = 6
    OPTIONS = 7
    TRACE = 8
    PATCH = 9


METHODS: Final = {method.name: method for method in Method}
"""Those that have a name of their own; of any other the record is `Method._OTHER`."""


class Protocol(IntEnum):
    """The protocol of the connection (OpenTelemetry `network.protocol.version`)."""

    UNKNOWN = 0
    HTTP_1_0 = 1
    HTTP_1_1 = 2
    WEBSOCKET = 3


class RequestFlag(IntFlag):
    """Further facts about a recorded request."""

    NEW_CONNECTION = 1  # first request of its connection
    TLS = 2
    ABORTED = 4  # the client left before the last byte was handed to the kernel
    APP_ERROR = 8  # the app raised
    TIMED_OUT = 16  # a deadline ended it
    CLIENT_GONE = 32  # the client had closed its side before the last bytes were sent
    CUT_OFF = 64  # the server closed the connection, since the grace of its stop was over
