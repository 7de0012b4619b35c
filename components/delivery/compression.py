"""Content codings of what browsers get: brotli where they take it, else gzip, else none."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import brotli
from flask import request

from servescope.hosting.static.content_coding import IDENTITY, preferred

if TYPE_CHECKING:
    from flask import Flask, Response

CODINGS: Final = ("br", "gzip")
"""Best first. Browsers offer `br` behind TLS and on loopback only."""

FILE_BROTLI_QUALITY: Final = 5
"""Files are compressed once a process, while a browser waits: the 3.7 MB of a first visit take
0.1 s of CPU. At 9 they were 3 % smaller, in four times that; at 11 11 %, in 50 times."""

_ANSWER_BROTLI_QUALITY: Final = 4
_GZIP_LEVEL: Final = 6

SMALLEST_FETCHED: Final = 1_024
SMALLEST_POSTED: Final = 16_384
"""Bytes from which an answer is compressed. A poll's delta is below, and comes each second from
each viewer; compressing it would cost a tenth of the poll."""

_COMPRESSED_TYPES: Final = {"text/html", "text/plain", "application/json"}


def accepted_coding() -> str:
    """The coding that the request at hand prefers among ours, or IDENTITY."""
    return preferred(request.headers.getlist("Accept-Encoding"), CODINGS)[0]


def compress(content: bytes, coding: str, quality: int = FILE_BROTLI_QUALITY) -> bytes:
    """The content in one of CODINGS; without one it stays as it is."""
    if coding == "br":
        coded: bytes = brotli.compress(content, quality=quality)
        return coded
    if coding == "gzip":
        return gzip.compress(content, _GZIP_LEVEL, mtime=0)
    return content


def connect(flask: Flask) -> None:
    """Compress the answers of all views that have not chosen a coding themselves."""
    flask.after_request(_compress_answer)


def _compress_answer(response: Response) -> Response:
    if not _may_be_compressed(response):
        return response
    response.vary.add("Accept-Encoding")
    content = response.get_data()
    smallest = SMALLEST_POSTED if request.method == "POST" else SMALLEST_FETCHED
    coding = accepted_coding()
    if len(content) >= smallest and coding != IDENTITY:
        response.set_data(compress(content, coding, _ANSWER_BROTLI_QUALITY))
        response.headers["Content-Encoding"] = coding
    return response


def _may_be_compressed(response: Response) -> bool:
    """Whether all of the answer is at hand, of a type that shrinks, and nobody else's to code."""
    return (
        response.status_code == HTTPStatus.OK
        and not response.is_streamed
        and response.mimetype in _COMPRESSED_TYPES
        and "Content-Encoding" not in response.headers
        and "ETag" not in response.headers  # which names the bytes as they are
    )
