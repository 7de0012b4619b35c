"""An open WebSocket of either role, sans-IO: bytes in, whole messages out (RFC 6455).

Theory of operation. Frames are wsproto's; the rest is ours: messages are given whole,
their size is bounded before they are kept (and while they are inflated: a few KiB of zeros may
stand for gigabytes), pings and closes are answered here, and a fault of the peer ends in one
`Failed` with the code its Close frame got. So the events do not depend on how the bytes were cut;
only when one compressed frame holds two faults may the cut decide which of them is named.

    state    | event                                      | next state
    OPEN     | TextReceived, BytesReceived, Ping-, Pong-  | OPEN
    OPEN     | CloseReceived (answered), Failed           | CLOSED
    OPEN     | (`close` was called)                       | CLOSING
    CLOSING  | messages, pings, pongs                     | CLOSING (dropped, not reported)
    CLOSING  | CloseReceived, Failed                      | CLOSED
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from wsproto import events as frames
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

    from servescope.wire.websocket_handshake import Deflate

MAX_MESSAGE: Final = 16 * 1024 * 1024
MAX_REASON_BYTES: Final = 123
"""Room for the reason of a Close: 125 bytes of payload less the code (RFC 6455 section 5.5)."""

GOING_AWAY: Final = 1001
MAX_FINAL_BLOCKS: Final = 256
"""Most blocks with BFINAL in a message: each costs a new inflater and two bytes to send."""

COMPRESS_FROM: Final = 128
"""Shorter messages go out as they are: deflate would make most of them longer."""

_APP_CODES: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013))
_FREE_CODES: Final = range(3000, 5000)
_MOST_WINDOW_BITS: Final = 15
_TAIL: Final = b"\x00\x00\xff\xff"
"""The bytes that a sender takes off the end of a deflated message (RFC 7692 section 7.2.1)."""


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A whole text message."""

    text: str


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """A whole binary message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PingReceived:
    """A ping; its pong waits in `take_replies`."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class PongReceived:
    """A pong, asked for or not (RFC 6455 section 5.5.3)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer's Close; 1005 when it had no code. The last event."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer broke the protocol: our Close with `code` waits in `take_replies`. The last one."""

    code: int
    reason: str


WebSocketEvent = TextReceived | BytesReceived | PingReceived | PongReceived | CloseReceived | Failed


class WebSocketState(Enum):
    """Where a WebSocket stands; the transitions stand in the module's head."""

    OPEN = auto()
    CLOSING = auto()  # our Close is out, the peer's has not come
    CLOSED = auto()


def is_close_code(code: int) -> bool:
    """Whether a Close frame may carry this code (RFC 6455 section 7.4, IANA's registry)."""
    return isinstance(code, int) and (code in _APP_CODES or code in _FREE_CODES)


class _BoundedDeflate(PerMessageDeflate):
    """permessage-deflate, where it was agreed on, and the bound on a message, always.

    wsproto's own inflates without a bound, and forgets in the middle of a fragmented message that
    it is compressed when a ping comes in between (RFC 6455 section 5.4 allows that).
    """

    def __init__(self, agreed: Deflate | None, max_message: int) -> None:
        super().__init__()
        self._is_agreed = agreed is not None
        if agreed is not None:
            self.server_no_context_takeover = agreed.server_no_context_takeover
            self.client_no_context_takeover = agreed.client_no_context_takeover
            self.server_max_window_bits = agreed.server_max_window_bits
            self.client_max_window_bits = agreed.client_max_window_bits or _MOST_WINDOW_BITS
        self._max_message = max_message
        self._size = 0  # of the message under way, inflated
        self._is_deflated = False  # the message under way
        self._is_at_end = True  # of a stream: no compressed byte was read behind the last one's
        self._final_blocks = 0  # in the message under way
        self._is_control = False  # the frame under way
        self._enabled = True

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> CloseReason | RsvBits:
        """Judge a frame's header; wsproto may show the same one twice while it arrives."""
        del proto
        self._is_control = opcode.iscontrol()
        if self._is_control:
            return RsvBits(rsv1=False, rsv2=False, rsv3=False)
        begins = opcode is not Opcode.CONTINUATION
        if rsv.rsv1 and not (begins and self._is_agreed):
            return CloseReason.PROTOCOL_ERROR
        if begins and not self._size:
            self._is_deflated = rsv.rsv1
        if not self._is_deflated and self._size + payload_length > self._max_message:
            return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(rsv1=True, rsv2=False, rsv3=False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Inflate, up to the bound."""
        del proto
        if self._is_control:
            return data
        if self._is_deflated:
            return self._inflate(data)
        self._size += len(data)
        return data

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """End a message: bytes that deflate holds back come out (RFC 7692 section 7.2.2)."""
        del proto
        if self._is_control or not fin:
            return None
        rest: bytes | CloseReason = b""
        if self._is_deflated:
            if not self._is_at_end:
                rest = self._inflate(_TAIL)
            if self.client_no_context_takeover:
                self._decompressor = None
        self._size = self._final_blocks = 0
        self._is_deflated = False
        self._is_at_end = True
        return rest

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        """Go on inflating the message under way, up to the bound.

        zlib reads nothing behind a block with BFINAL set, which a sender may use to flush, mostly
        with the head of an empty block behind it (RFC 7692 section 7.2.3.4): a new stream begins.
        """
        inflated = b""
        while data:
            if self._decompressor is None:
                self._decompressor = zlib.decompressobj(-self.client_max_window_bits)
            room = self._max_message - self._size
            try:
                part = self._decompressor.decompress(data, room + 1)
            except zlib.error:
                return CloseReason.INVALID_FRAME_PAYLOAD_DATA
            if len(part) > room:
                return CloseReason.MESSAGE_TOO_BIG
            self._size += len(part)
            inflated = inflated + part if inflated else part
            self._is_at_end = self._decompressor.eof
            if not self._is_at_end:
                break
            data = self._decompressor.unused_data
            self._decompressor = None
            self._final_blocks += 1
            if self._final_blocks > MAX_FINAL_BLOCKS:
                return CloseReason.POLICY_VIOLATION
        return inflated

    def frame_outbound(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        data: bytes,
        fin: bool,
    ) -> tuple[RsvBits, bytes]:
        """Deflate a message where that was agreed on and pays."""
        if not self._is_agreed or len(data) < COMPRESS_FROM:
            return rsv, data
        return super().frame_outbound(proto, opcode, rsv, data, fin)


class OpenWebSocket:
    """One open WebSocket. Feed it with `receive_data`, then take `next_event` until it is None.

    The server's side unless `is_client`, which agrees on no compression.

    Its own answers (Pong, Close) wait in `take_replies`. A message of more than `max_message` bytes
    fails the connection with 1009.
    """

    __slots__ = ("_connection", "_events", "_is_text", "_parts", "_replies", "state")

    def __init__(
        self,
        deflate: Deflate | None = None,
        max_message: int = MAX_MESSAGE,
        *,
        is_client: bool = False,
    ) -> None:
        self._connection = Connection(
            ConnectionType.CLIENT if is_client else ConnectionType.SERVER,
            [_BoundedDeflate(deflate, max_message)],
        )
        self._events = self._connection.events()
        self._parts: list[str] | list[bytes] = []
        self._replies = bytearray()
        self.state = WebSocketState.OPEN

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer, in any cut; after the end they are ignored."""
        if self.state is not WebSocketState.CLOSED:
            self._connection.receive_data(data)
            self._events = self._connection.events()

    def take_replies(self) -> bytes:
        """Pongs and the Close to send now, in order; only once."""
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def next_event(self) -> WebSocketEvent | None:
        """The next event; None when the bytes so far hold no further one."""
        while self.state is not WebSocketState.CLOSED:
            frame = next(self._events, None)
            if frame is None:
                return None
            event = self._read(frame)
            if event is None:
                continue
            if self.state is WebSocketState.CLOSING:
                if not isinstance(event, CloseReceived | Failed):
                    continue
                self.state = WebSocketState.CLOSED
            return event
        return None

    def _read(self, frame: frames.Event) -> WebSocketEvent | None:
        match frame:
            case frames.TextMessage() | frames.BytesMessage():
                return self._collect(frame)
            case frames.Ping():
                if self.state is WebSocketState.OPEN:
                    self._replies += self._connection.send(frame.response())
                return PingReceived(bytes(frame.payload))
            case frames.Pong():
                return PongReceived(bytes(frame.payload))
            case frames.CloseConnection():
                return self._end(frame)
        return None

    def _collect(self, frame: frames.TextMessage | frames.BytesMessage) -> WebSocketEvent | None:
        parts: list[str] | list[bytes] = self._parts
        parts.append(frame.data)  # type: ignore[arg-type]  # wsproto keeps a message to one kind
        if not frame.message_finished:
            return None
        self._parts = []
        if isinstance(frame, frames.TextMessage):
            return TextReceived("".join(parts))  # type: ignore[arg-type]  # the same
        return BytesReceived(b"".join(parts))  # type: ignore[arg-type]  # the same

    def _end(self, frame: frames.CloseConnection) -> WebSocketEvent:
        """A Close of the peer, or a fault that wsproto reports in the same form."""
        code, reason = int(frame.code), frame.reason or ""
        connection_state = self._connection.state
        if connection_state in (ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED):
            if self.state is WebSocketState.OPEN:
                self._replies += self._connection.send(frame.response())
                self.state = WebSocketState.CLOSED
            return CloseReceived(code, reason)
        if code == CloseReason.INVALID_FRAME_PAYLOAD_DATA:
            # wsproto's words name the byte's place, which depends on how the bytes were cut.
            reason = "the text is not UTF-8"
        if self.state is WebSocketState.OPEN:
            told = frames.CloseConnection(code=code, reason=reason)
            self._replies += self._connection.send(told)
            self.state = WebSocketState.CLOSED
        return Failed(code, reason)

    def text(self, text: str) -> bytes:
        """Frame a text message; only while OPEN."""
        return self._connection.send(frames.TextMessage(data=text))

    def binary(self, data: bytes) -> bytes:
        """Frame a binary message; only while OPEN."""
        return self._connection.send(frames.BytesMessage(data=data))

    def ping(self, payload: bytes = b"") -> bytes:
        """Frame a ping; only while OPEN."""
        return self._connection.send(frames.Ping(payload=payload))

    def close(self, code: int, reason: str = "") -> bytes:
        """Frame a Close and wait for the peer's; nothing when that was done already.

        A reason beyond MAX_REASON_BYTES is cut at a character. Raises ValueError for a code that a
        Close may not carry, TypeError for a code or reason that is none; then it stays open.
        """
        if not is_close_code(code):
            raise ValueError(
                f"{code} is no code for a Close: 1000 to 1003, 1007 to 1013, 3000 to 4999"
            )
        if not isinstance(reason, str):
            raise TypeError(f"the reason of a Close is text, got {type(reason).__name__}")
        if self.state is not WebSocketState.OPEN:
            return b""
        frame = self._connection.send(frames.CloseConnection(code=code, reason=reason))
        self.state = WebSocketState.CLOSING
        return frame
