"""The HTTP side of the engine: a few kept connections to one address, and to no other.

Redirects are not followed. Failures become EngineAwayError (it may pass: no answer, 5xx,
429, a wrong password) or EngineRefusedError (the same request would be refused again).
"""

from __future__ import annotations

import gc
import http.client
import re
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from servescope.errors import EngineAwayError, EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servescope.store.engine.address import EngineAddress

ANSWER_S: Final = 10.0
"""Longest wait for the engine at any step of an exchange."""

FAIL_FAST_S: Final = 1.0
"""After a failed question the next ones fail at once for at least so long, and for thrice as long
as the failure took, so that pages do not queue up before an engine that hangs."""

MOST_ANSWER_BYTES: Final = 256 * 1024 * 1024
_KEPT: Final = 4
_QUOTED: Final = 200
_REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_DEDUPLICATION: Final = re.compile(rb'-dedup\.minScrapeInterval="([^"]*)"')
_DURATION: Final = re.compile(rb"([\d.]+)(ms|s|m|h|d|w)")
_UNITS: Final = {b"ms": 1e-3, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86_400.0, b"w": 604_800.0}
_TOO_OLD: Final = (b"too old sample", b"out of bounds", b"out of order")
"""Prometheus 2.42 answers samples beyond its out-of-order window with a 500 and these words."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Differences between engines."""

    metrics_ql: bool  # VictoriaMetrics
    deduplication_s: float  # one sample is kept of each so long interval; 0: of no interval

    @property
    def keeps_doubles(self) -> bool:
        """Whether a sample that was sent twice is there twice."""
        return self.metrics_ql and self.deduplication_s == 0


PROMETHEUS: Final = Traits(metrics_ql=False, deduplication_s=0.0)


class Engine:
    """A client of one engine. Every method may be called from any thread."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self.trouble = ""
        """Why the last question got no answer; empty when it did."""
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._fail_until = float("-inf")
        self._traits: Traits | None = None

    def ask(self, path: str, asked: Mapping[str, str]) -> Any:
        """The `data` of an answer of the query API. Raises EngineAwayError, EngineRefusedError."""
        began = time.monotonic()
        if began < self._fail_until:
            raise EngineAwayError(self.trouble)
        try:
            status, body = self._exchange(
                path,
                urlencode(asked, errors="replace").encode(),
                {"Content-Type": "application/x-www-form-urlencoded"},
            )
            _check(status, body, self.address.shown)
        except EngineAwayError as error:
            now = time.monotonic()
            self.trouble, self._fail_until = str(error), now + max(FAIL_FAST_S, 3 * (now - began))
            raise
        self.trouble = ""
        try:
            with _uncollected():
                return orjson.loads(body)["data"]
        except (ValueError, KeyError, TypeError):
            raise EngineRefusedError(
                f"{self.address.shown} answered {path} with something else than the "
                f"Prometheus API does: {body[:_QUOTED]!r}"
            ) from None

    def write(self, body: bytes) -> None:
        """Send one remote-write request, snappy's raw format (Prometheus Remote-Write 1.0).

        Raises EngineAwayError, or EngineRefusedError: then the engine took no sample of it.
        """
        status, answer = self._exchange(
            "/api/v1/write",
            body,
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        _check(status, answer, self.address.shown)
        self.trouble, self._fail_until = "", float("-inf")  # it is back: questions need not wait

    def traits(self) -> Traits:
        """The differences that questions depend on; asked once. Raises EngineAwayError."""
        if self._traits is None:
            try:
                self.ask("/api/v1/query", {"query": "WITH (one = 1) one"})
            except EngineRefusedError:
                self._traits = PROMETHEUS  # PromQL's parser refuses MetricsQL's templates
            else:
                self._traits = Traits(metrics_ql=True, deduplication_s=self._deduplication_s())
        return self._traits

    def _deduplication_s(self) -> float:
        """`-dedup.minScrapeInterval` of a single VictoriaMetrics; 0 where it is unknown."""
        status, body = self._exchange("/flags", b"", {})
        found = _DEDUPLICATION.search(body) if status == HTTPStatus.OK else None
        if found is None:
            return 0.0
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(found[1]))

    def forget(self) -> None:
        """Forget the traits: another engine may stand at the address now."""
        self._traits = None

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        headers["User-Agent"] = "servescope"
        if self.address.authorization:
            headers["Authorization"] = self.address.authorization
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        fresh = connection is None
        try:
            return self._once(connection or self._connect(), path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            if not fresh and isinstance(error, (ConnectionError, http.client.BadStatusLine)):
                # A kept connection the engine has closed meanwhile. Both questions and samples
                # may be sent twice: a sample that is there already is none the second time.
                with suppress(OSError, http.client.HTTPException):
                    return self._once(self._connect(), path, body, headers)
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise EngineAwayError(f"{self.address.shown} does not answer: {reason}") from error

    def _once(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: dict[str, str],
    ) -> tuple[int, bytes]:
        try:
            connection.request("POST", self.address.prefix + path, body, headers)
            response = connection.getresponse()
            answer = response.read(MOST_ANSWER_BYTES)
        except BaseException:
            connection.close()
            raise
        if response.isclosed() and not response.will_close:
            with self._lock:
                if len(self._idle) < _KEPT:
                    self._idle.append(connection)
                    return response.status, answer
        connection.close()
        return response.status, answer

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.address.host, self.address.port
        if self.address.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=ANSWER_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=ANSWER_S)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without cyclic garbage collection.

    It walks through half a million points again and again, two thirds of the time that decoding
    them takes, and none of them is part of a cycle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check(status: int, body: bytes, shown: str) -> None:
    """Raise EngineRefusedError or EngineAwayError for an error status."""
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    text = f"{shown} answered {status}: {body[:_QUOTED].decode(errors='replace').strip()}"
    if status in _REFUSALS or any(word in body for word in _TOO_OLD):
        raise EngineRefusedError(text)
    # The rest may pass: a server in trouble or too busy, and 401 or 404 once it is set up.
    raise EngineAwayError(text)
