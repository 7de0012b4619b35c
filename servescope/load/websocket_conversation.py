"""The client's side of one open WebSocket: one message after the other, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.wire.websocket import (
    BytesReceived,
    CloseReceived,
    Failed,
    OpenWebSocket,
    TextReceived,
)

if TYPE_CHECKING:
    from servescope.load.flows import ActiveFlow
    from servescope.load.steps import CompiledStep

_NORMAL: int = 1000  # RFC 6455 section 7.4.1


class WebSocketConversation:
    """Sans-IO: `outgoing` are the bytes that have to be sent, in order."""

    __slots__ = (
        "_position",
        "_websocket",
        "ended",
        "flow",
        "is_closing",
        "outgoing",
        "received",
        "step",
    )

    def __init__(self, flow: ActiveFlow, step: CompiledStep) -> None:
        self.flow = flow
        self.step = step
        self.outgoing = bytearray()
        self.received = -1  # bytes of the last message that came, -1 when none did
        self.ended = ""  # how the peer ended it, in a few words
        self.is_closing = False  # our own Close is among `outgoing`, or was
        self._websocket = OpenWebSocket(is_client=True)
        self._position = 0

    @property
    def has_said_all(self) -> bool:
        """Whether the last message was sent, or there is none."""
        return self._position == len(self.step.messages)

    def say_next(self) -> bytes:
        """Send the next message; return its frame, or b"" when a Close is sent after the last.

        Not after the peer has `ended` it. Raises UnfitValueError when a value makes it too long,
        KeyError for one that is missing.
        """
        self.received = -1
        if not self.has_said_all:
            text = self.step.messages[self._position].fill(self.flow.values)
            self._position += 1
            frame = self._websocket.text(text)
            self.outgoing += frame
            return frame
        self.outgoing += self._websocket.close(_NORMAL)
        self.is_closing = True
        return b""

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; see `received` and `ended`."""
        self._websocket.receive_data(data)
        while (event := self._websocket.next_event()) is not None:
            match event:
                case TextReceived(text):
                    self.received = len(text.encode())
                case BytesReceived(content):
                    self.received = len(content)
                case CloseReceived(code, reason):
                    self.ended = f"the server closed the WebSocket: {code} {reason}".rstrip()
                case Failed(code, reason):
                    self.ended = f"the server broke the WebSocket's protocol: {code} {reason}"
        self.outgoing += self._websocket.take_replies()
