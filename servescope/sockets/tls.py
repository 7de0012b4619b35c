"""A non-blocking socket whose bytes are encrypted: a `TlsChannel` on an accepted connection.

Theory of operation. It offers what a connection uses of a plain socket (`StreamSocket`), so that a
plain connection pays nothing for TLS and one behind TLS is driven in the same way by every model.

Reading: each call reads the kernel once. Bytes that complete no plaintext (half a record, a
handshake) look like nothing: BlockingIOError, and the selector tells of the next. A close_notify
shuts the socket's reading side, from then on it is always readable: the selector cannot miss it.

Writing: a piece counts as sent when the kernel has all of its records. Until then it is kept, and
taken for sent when the caller, who still holds it, offers it again once the socket is writable.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from servescope.wire.tls_channel import HANDSHAKE_RECORD, TlsChannel

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES: Final = 65_536
"""Plaintext encrypted in one go."""

TURN_BYTES: Final = 1_048_576
"""Most plaintext of one call, so that a fast client does not starve the others."""

MAX_OWED_BYTES: Final = 131_072
"""Most ciphertext kept: a piece, and what TLS itself has to say (answers to KeyUpdate, say)."""


class TlsSocket:
    """`sock` with TLS on top; used by one thread at a time, except for `shutdown(SHUT_RDWR)`.

    `on_plain_http` is called when the client speaks HTTP without TLS; from then on the bytes that
    are sent are plain as well, and reading tells of the end.
    """

    __slots__ = ("_channel", "_claimed", "_has_begun", "_on_plain_http", "_owed", "_sock")

    def __init__(
        self, sock: socket.socket, channel: TlsChannel, on_plain_http: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._channel: TlsChannel | None = channel  # None: plain bytes, from now on
        self._on_plain_http = on_plain_http
        self._has_begun = False
        self._owed = b""  # ciphertext the kernel has not taken yet
        self._claimed = b""  # the plaintext of it, as long as its sender does not know that it went

    def fileno(self) -> int:
        """Its descriptor."""
        return self._sock.fileno()

    def recvmsg(
        self, size: int, control_bytes: int, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """Plaintext that has arrived, b"" at the end; see `StreamSocket`.

        Raises BlockingIOError when there is none yet, ssl.SSLError, or OSError as recvmsg(2). It
        may be more than `size` by one record at most.
        """
        found = self._sock.recvmsg(size, control_bytes)
        data, control = found[:2]
        channel = self._channel
        if channel is None or not data:
            return found
        if not self._has_begun:
            self._has_begun = True
            if data[0] != HANDSHAKE_RECORD:
                self._speak_plain(data)
        try:
            plaintext = channel.receive_data(data)
        finally:
            self._flush_own(channel)
        if channel.has_ended:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)
        elif not plaintext:
            raise BlockingIOError
        return plaintext, control, 0, None

    def _speak_plain(self, data: bytes) -> None:
        self._channel = None
        if data[:1].isalpha():  # a method (RFC 9112 section 3); anything else is no HTTP either
            self._on_plain_http()
        raise ConnectionAbortedError("the client does not speak TLS")

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Encrypt and send; return how much of the plaintext is with the kernel.

        Raises BlockingIOError when that is nothing; then the same bytes must be offered again.
        Raises OSError as send(2), ssl.SSLError before the handshake.
        """
        channel = self._channel
        if channel is None:
            return self._sock.send(data, flags)
        sent = self._claim(data) if self._owed or self._claimed else 0
        most = min(len(data), TURN_BYTES)
        while sent < most:
            piece = data[sent : sent + PIECE_BYTES]
            channel.encrypt(piece)
            self._owed = channel.take_output()
            if not self._flush(flags):
                self._claimed = bytes(piece)
                break
            sent += len(piece)
        if not sent and len(data):
            raise BlockingIOError
        return sent

    def _claim(self, data: bytes | memoryview) -> int:
        """Send what is owed first; how many bytes of `data` are in it."""
        if not self._flush():
            raise BlockingIOError
        claimed, self._claimed = self._claimed, b""
        # An interim response is offered only once: then what comes now is something else.
        return len(claimed) if data[: len(claimed)] == claimed else 0

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Send at most `count` bytes of a file from `offset` on; see `send`."""
        if self._claimed:
            return self._claim(self._claimed)
        piece = os.pread(descriptor, min(count, PIECE_BYTES), offset)
        return self.send(piece) if piece else 0

    def shutdown(self, how: int, /) -> None:
        """End one direction or both; the sending side with a close_notify.

        SHUT_RDWR breaks the connection off without one, and may come from any thread.
        """
        if how == socket.SHUT_WR:
            self._end()
        self._sock.shutdown(how)

    def _end(self) -> None:
        """Say close_notify as far as the client takes it; what it still sends is not decrypted."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.end()
            self._owed += channel.take_output()
            with suppress(OSError):
                self._flush()

    def disown(self) -> None:
        """Close a forked child's copy: the close_notify is its parent's to send."""
        self._sock.close()

    def close(self) -> None:
        """Close the socket, with a close_notify."""
        self._end()
        self._sock.close()

    def _flush_own(self, channel: TlsChannel) -> None:
        """Send what TLS itself has to say."""
        self._owed += channel.take_output()
        with suppress(ConnectionError):  # reading tells of it as well, behind what has arrived
            self._flush()
        if len(self._owed) > MAX_OWED_BYTES:
            raise ConnectionAbortedError("the client makes us talk and does not listen")

    def _flush(self, flags: int = 0) -> bool:
        """Send what is owed; whether all of it is out."""
        while self._owed:
            try:
                sent = self._sock.send(self._owed, flags)
            except BlockingIOError:
                return False
            self._owed = self._owed[sent:]
        return True
