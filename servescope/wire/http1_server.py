"""The server role of HTTP/1.1, sans-IO: request bytes in, events out (RFC 9112).

Theory of operation. A head is collected until its empty line and then given to llhttp (strict) in
one piece, by way of httptools; our own rules (`http1_rules`) frame the message. So the end of a
head and of a body are known to the byte: a head in which llhttp sees another end than we do is
refused, the events do not depend on how the bytes were cut, and a pipelined request waits in the
buffer until the one before it was answered. After a Refusal, or a message that ends the
connection, further bytes are ignored (RFC 9112 section 9.6). A head that is remembered from before
(`http1_known_heads`) was found valid then and is not judged again.

    state    | event         | next state
    HEAD     | RequestHead   | BODY
    BODY     | BodyData      | BODY
    BODY     | EndOfMessage  | DONE
    DONE     | (next cycle)  | HEAD, or CLOSED when the connection is not kept
    any      | Refusal       | CLOSED
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import httptools

from servescope.errors import ProtocolError
from servescope.wire.http1_chunked import ChunkedDecoder
from servescope.wire.http1_events import (
    BodyData,
    EndOfMessage,
    Event,
    Idle,
    Refusal,
    RequestHead,
)
from servescope.wire.http1_known_heads import FieldBlock, KnownHeads
from servescope.wire.http1_rules import (
    KNOWN_METHODS,
    Limits,
    RequestLine,
    Rule,
    check_first_byte,
    check_partial_head,
    header_error,
    parse_request_line,
    read_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD_END = b"\r\n\r\n"
_END = EndOfMessage()
_STAND_IN: Final = b"POST"
"""The method that llhttp sees in the place of one that is not in its table."""


class State(Enum):
    """Where the reading of a connection stands; the transitions stand in the module's head."""

    HEAD = auto()
    BODY = auto()
    DONE = auto()
    CLOSED = auto()


class _HeaderCollector:
    """The callbacks of llhttp: they collect the fields of a head."""

    __slots__ = ("has_ended", "headers", "is_message_over")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_ended = False
        self.is_message_over = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp leaves the optional white space behind a value (RFC 9112 section 5).
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.has_ended = True

    def on_message_complete(self) -> None:
        self.is_message_over = True


class Http1Server:
    """Reads the requests of one connection.

    Feed it with `receive_data`, then take `next_event` until it says Idle. `known` is shared with
    other connections under the same limits.
    """

    __slots__ = (
        "_buffer",
        "_chunked",
        "_collector",
        "_known",
        "_left",
        "_limits",
        "_line",
        "_parser",
        "_start",
        "is_between",
        "keep_alive",
        "message_bytes",
        "state",
        "tap",
    )

    def __init__(self, limits: Limits, known: KnownHeads | None = None) -> None:
        self._limits = limits
        self._known = known or KnownHeads()
        self._buffer = b""
        self._start = 0  # offset of the first unread byte of the buffer
        self._left = 0  # body bytes still to come
        self._line: RequestLine | RequestHead | None = None
        self._chunked: ChunkedDecoder | None = None
        self._collector = _HeaderCollector()
        self._parser: httptools.HttpRequestParser | None = None
        self.state = State.HEAD
        self.is_between = True
        """Whether no byte of the next message has come since the last one."""
        self.keep_alive = True
        self.message_bytes = 0
        """Bytes read of the current message: head and body, with transfer coding."""
        self.tap: Callable[[bytes], None] | None = None
        """Told the bytes of a body as they are taken, with transfer coding, where one looks on."""

    @property
    def head_bytes(self) -> bytes:
        """The head that was read last, right after its RequestHead."""
        return self._buffer[: self.message_bytes]

    @property
    def refused_bytes(self) -> bytes:
        """The bytes in which a head was refused, right after its Refusal."""
        return self._buffer[self._start :]

    @property
    def has_begun(self) -> bool:
        """Whether bytes of a message were received that is not complete yet."""
        has_unread = len(self._buffer) > self._start
        return self.state is State.BODY or (self.state is State.HEAD and has_unread)

    @property
    def has_buffered(self) -> bool:
        """Whether received bytes wait to be read."""
        return len(self._buffer) > self._start

    @property
    def rest_bytes(self) -> int | None:
        """Bytes still to be read of the body at hand; None when only its end shows."""
        if self.state is State.BODY:
            return self._left if self._chunked is None else None
        return None if self.state is State.CLOSED else 0

    @property
    def has_more(self) -> bool:
        """Whether bytes behind the message at hand wait to be read."""
        rest = self.rest_bytes
        return rest is not None and len(self._buffer) - self._start > rest

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer, in any cut."""
        if self.state is State.CLOSED:
            return
        self.is_between = False
        if len(self._buffer) > self._start:
            self._buffer = self._buffer[self._start :] + data
        else:
            self._buffer = data
        self._start = 0

    def receive_whole(self, data: bytes) -> RequestHead | None:
        """The head of a known request without a body, when these bytes are just that.

        Then all of the message is taken, and the next one may begin: as if `receive_data` had been
        followed by a RequestHead, an EndOfMessage and `start_next_cycle`. None: nothing was taken,
        `receive_data` is due.
        """
        if not self.is_between:
            return None
        find = self._known.find_whole
        return find(data)

    def take_rest(self) -> bytes:
        """The bytes behind the message, which belong to another protocol; HTTP ends here."""
        rest = self._buffer[self._start :]
        self._buffer = b""
        self._start = 0
        self.state = State.CLOSED
        self.is_between = False
        return rest

    def next_event(self) -> Event | Idle:
        """The next event, or why there is none."""
        try:
            state = self.state
            if state is State.HEAD:
                return self._next_head()
            if state is State.BODY:
                return self._next_body()
        except ProtocolError as error:
            self.message_bytes = self.message_bytes or len(self._buffer) - self._start
            self.state = State.CLOSED
            self.keep_alive = False
            if self.tap is not None:
                self.tap(self.refused_bytes)
            line = self._line
            if line is None:
                return Refusal(error.status, error.reason)
            return Refusal(error.status, error.reason, line.method, line.target)
        return Idle.PAUSED

    def start_next_cycle(self) -> bool:
        """Let the next message begin; only after EndOfMessage. Closes when not kept alive.

        Answers whether received bytes wait to be read.
        """
        if self.state is State.DONE:
            self.state = State.HEAD if self.keep_alive else State.CLOSED
            self._line = self._chunked = None
            self.message_bytes = 0
            self.is_between = self.keep_alive and len(self._buffer) == self._start
        return len(self._buffer) > self._start

    def _next_head(self) -> Event | Idle:
        buffer = self._buffer
        if not self._start:
            known = self._known.find(buffer)
            if known is not None:
                return self._begin(buffer, known)
        if self._start or buffer[:1] == b"\r":
            # RFC 9112 section 2.2: empty lines before a request line are ignored.
            start = self._start
            while buffer.startswith(b"\r\n", start):
                start += 2
            self._buffer = buffer = buffer[start:]
            self._start = 0
            if buffer == b"\r":
                return Idle.NEED_DATA
        if not buffer:
            return Idle.NEED_DATA
        line = self._line
        if line is None:
            check_first_byte(buffer)
            self._line = line = parse_request_line(buffer, self._limits)
            if line is None:
                return Idle.NEED_DATA
        end = buffer.find(_HEAD_END, 0, self._limits.max_head) + len(_HEAD_END)
        if end < len(_HEAD_END):
            check_partial_head(buffer, self._limits)
            return Idle.NEED_DATA
        raw = buffer[:end] if end < len(buffer) else buffer
        return self._begin(raw, self._known.find(raw) or self._read_head(raw, line))

    def _begin(self, raw: bytes, head: RequestHead) -> RequestHead:
        """A message begins with this head."""
        self._start = self.message_bytes = len(raw)
        self._line = head
        self.keep_alive = head.keep_alive
        self.state = State.BODY
        if head.body_length is None:
            self._chunked = ChunkedDecoder(self._limits)
        else:
            self._left = head.body_length
        return head

    def _read_head(self, raw: bytes, line: RequestLine | RequestHead) -> RequestHead:
        self.message_bytes = len(raw)
        headers, fields = self._read_fields(raw, line.method, line.minor_version)
        if isinstance(line, RequestLine) and line.authority is not None:
            # RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host.
            kept = (field for field in headers if field[0] != b"host")
            headers = (*kept, (b"host", line.authority))
        head = RequestHead(
            line.method,
            line.target,
            line.minor_version,
            headers,
            fields.keep_alive,
            fields.expects_continue,
            fields.body_length,
            fields.has_upgrade,
        )
        self._known.keep(raw, head)
        return head

    def _read_fields(self, raw: bytes, method: str, minor_version: int) -> FieldBlock:
        """The fields of a head, from memory when these very lines came before.

        llhttp judges field lines alike behind any request line that `parse_request_line` lets pass,
        whatever its method. That one is a token, which llhttp does not have to know.
        """
        lines = raw[raw.index(b"\n") + 1 :]
        found = self._known.find_block((minor_version, lines))
        if found is None:
            if method not in KNOWN_METHODS:
                raw = _STAND_IN + raw[len(method) :]
            headers = self._parse_headers(raw)
            found = (tuple(headers), read_fields(headers, minor_version, self._limits))
            self._known.keep_block(minor_version, lines, found)
        return found

    def _next_body(self) -> Event | Idle:
        if self._chunked is not None:
            return self._next_chunk(self._chunked)
        if not self._left:
            self.state = State.DONE
            return _END
        data = self._buffer[self._start : self._start + self._left]
        if not data:
            return Idle.NEED_DATA
        self._start += len(data)
        self._left -= len(data)
        self.message_bytes += len(data)
        if self.tap is not None:
            self.tap(data)
        return BodyData(data)

    def _next_chunk(self, decoder: ChunkedDecoder) -> Event | Idle:
        content, after = decoder.decode(self._buffer, self._start)
        self.message_bytes += after - self._start
        if self.tap is not None and after > self._start:
            self.tap(self._buffer[self._start : after])
        self._start = after
        if content:
            return BodyData(content)
        if decoder.is_complete:
            self.state = State.DONE
            return EndOfMessage(tuple(decoder.trailers))
        return Idle.NEED_DATA

    def _parse_headers(self, head: bytes) -> list[tuple[bytes, bytes]]:
        """Let llhttp judge a whole head; raises ProtocolError when it refuses it.

        A parser that saw a message to its end is ready for the next one; any other is replaced. A
        head that a used one refuses is parsed again by a fresh one: llhttp takes Proxy-Connection
        for Connection, and reads nothing after a `close` in it.
        """
        collector, parser = self._collector, self._parser
        headers: list[tuple[bytes, bytes]] = []
        collector.headers = headers
        collector.has_ended = collector.is_message_over = False
        self._parser = None
        is_fresh = parser is None
        if parser is None:
            parser = httptools.HttpRequestParser(collector)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            return headers  # RFC 9110 section 7.8: a server may ignore Upgrade
        except httptools.HttpParserError as error:
            if not is_fresh:
                return self._parse_headers(head)
            raise header_error(head, str(error)) from None
        if not collector.has_ended:  # llhttp and we disagree on where the head ends
            raise Rule.HEADER_SYNTAX.error()
        if collector.is_message_over:
            self._parser = parser
        return headers
