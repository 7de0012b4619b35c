"""A ResponseSink that keeps what it is given."""

from __future__ import annotations

import itertools


class Sink:
    def __init__(self) -> None:
        self.out = b""
        self.now_ns = itertools.count(1).__next__

    def date(self, now_ns: int) -> tuple[bytes, int]:
        return b"Fri, 02 Jan 2026 00:00:00 GMT", now_ns + 1

    def send(self, data: bytes, *, last: bool) -> None:
        del last
        self.out += data

    def send_file(self, *unexpected: object) -> None:
        raise AssertionError(unexpected)
