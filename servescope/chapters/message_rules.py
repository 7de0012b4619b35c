"""The rules of HTTP behind a server's answers, in words, with the section that has each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.wire.http1_rules import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST: Final = (
    "RFC 9112 section 3.2: a server must answer 400 to a request of HTTP/1.1 without a Host field, "
    "with more than one, or with one that is no host."
)
_FIELDS_TOO_LARGE: Final = (
    "RFC 9110 section 5.4 and RFC 6585 section 5: a server may limit the header fields, and "
    "answers 431 to more."
)
_LENGTH: Final = (
    "RFC 9112 section 6.3: a Content-Length that is not one number leaves open where the message "
    "ends, so a server must answer 400 and close the connection."
)
_CHUNKS: Final = (
    "RFC 9112 section 7.1: each chunk is its size in hexadecimal digits, CR LF, as many bytes, and "
    "CR LF."
)

OF_REFUSALS: Final[Mapping[Rule, str]] = {
    Rule.FIRST_BYTE: (
        "RFC 9112 sections 2.1 and 3.1: a request begins with its method, which is a token."
    ),
    Rule.REQUEST_LINE: (
        "RFC 9112 section 3: the first line is method, space, target, space, version; a server "
        "should answer 400 to another one."
    ),
    Rule.BARE_LF: (
        "RFC 9112 section 2.2: a line ends with CR LF. A server may put up with LF alone; this one "
        "does not."
    ),
    Rule.FRAGMENT: (
        "RFC 9110 section 7.1: the part of an address behind # stays in the browser, and is not "
        "sent."
    ),
    Rule.TARGET_ESCAPE: "RFC 3986 section 2.1: behind % there are two hexadecimal digits.",
    Rule.TARGET_FORM: (
        "RFC 9112 section 3.2: a target is a path that begins with /, a whole address, or * with "
        "the method OPTIONS."
    ),
    Rule.TARGET_LENGTH: (
        "RFC 9112 section 3: a server must answer 414 to a target that is longer than it reads."
    ),
    Rule.METHOD: (
        "RFC 9110 section 9.1: a server should answer 501 to a method that it does not implement."
    ),
    Rule.VERSION: (
        "RFC 9110 section 15.6.6: 505 says that the server does not support this version of HTTP."
    ),
    Rule.HEAD_SIZE: _FIELDS_TOO_LARGE,
    Rule.HEADER_COUNT: _FIELDS_TOO_LARGE,
    Rule.HEADER_SYNTAX: (
        "RFC 9112 section 5: a header field is a name, a colon right behind it, and a value."
    ),
    Rule.HOST_MISSING: _HOST,
    Rule.HOST_REPEATED: _HOST,
    Rule.HOST_SYNTAX: _HOST,
    Rule.LENGTH_REPEATED: _LENGTH,
    Rule.LENGTH_SYNTAX: _LENGTH,
    Rule.LENGTH_AND_CODING: (
        "RFC 9112 section 6.3: with both fields two readers may find two different ends of one "
        "message, so a server may refuse it."
    ),
    Rule.CODING_UNKNOWN: (
        "RFC 9112 section 6.1: a server should answer 501 to a transfer coding that it does not "
        "know."
    ),
    Rule.CODING_SYNTAX: (
        "RFC 9112 section 6.3: chunked has to be the last transfer coding of a request; else a "
        "server must answer 400."
    ),
    Rule.CODING_VERSION: (
        "RFC 9112 section 6.1: transfer codings came with HTTP/1.1; with HTTP/1.0 the message is "
        "faulty."
    ),
    Rule.EXPECTATION: (
        "RFC 9110 section 10.1.1: a server may answer 417 to an expectation other than "
        "100-continue."
    ),
    Rule.BODY_SIZE: (
        "RFC 9110 section 15.5.14: 413 says that the content is larger than the server will take."
    ),
    Rule.CHUNK_SIZE: _CHUNKS,
    Rule.CHUNK_END: _CHUNKS,
    Rule.CHUNK_OVERHEAD: (
        "RFC 9112 section 7.1.1: a server ought to limit the length of chunk extensions."
    ),
    Rule.TRAILER: (
        "RFC 9112 section 7.1.2: behind the last chunk there may be trailer fields, written like "
        "header fields."
    ),
}

OF_STATUSES: Final[Mapping[int, str]] = {
    200: "RFC 9110 section 15.3.1: 200 says that the request succeeded.",
    204: "RFC 9110 section 15.3.5: 204 says that it succeeded, and that there is no content.",
    206: "RFC 9110 section 15.3.7: 206 brings the part that a Range field asked for.",
    301: "RFC 9110 section 15.4.2: 301 says that the address has changed for good.",
    304: "RFC 9110 section 15.4.5: 304 says that the copy which the client has is still good.",
    400: "RFC 9110 section 15.5.1: 400 says that the request has a fault of the client's.",
    403: (
        "RFC 9110 section 15.5.4: 403 says that the server understood the request and refuses it."
    ),
    404: "RFC 9110 section 15.5.5: 404 says that the server has nothing at this address.",
    405: (
        "RFC 9110 section 15.5.6: 405 says that this address does not allow the method; the field "
        "Allow has to name those that it does."
    ),
    408: (
        "RFC 9110 section 15.5.9: 408 says that the request was not whole within the time that the "
        "server waits."
    ),
    416: "RFC 9110 section 15.5.17: 416 says that the content has no such range.",
    500: "RFC 9110 section 15.6.1: 500 says that the server or its app failed.",
    501: "RFC 9110 section 15.6.2: 501 says that the server does not implement the method.",
}
_CLASSES: Final = "RFC 9110 section 15: the first digit of a status code is its class."


def rule_of(status: int, content: str) -> str:
    """The rule behind an answer, by the sentence in its content, else by its status."""
    for rule, text in OF_REFUSALS.items():
        if rule.value[0] == status and rule.value[1] in content:
            return text
    return OF_STATUSES.get(status, _CLASSES)
