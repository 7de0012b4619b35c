"""Non-blocking sockets whose bytes are encrypted: a `TlsChannel` on a connected socket.

Theory of operation. `TlsStream` is what both sides share: decrypting what was read, and the
ciphertext that is still owed to the peer. A `TlsSocket`, the server's, offers what a connection
uses of a plain socket (`StreamSocket`), so that a plain connection pays nothing for TLS and one
behind TLS is driven in the same way by every model. The client's is in `load.tls_connections`.

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


class TlsStream:
    """A channel, its socket, and the ciphertext that the kernel has not taken yet."""

    __slots__ = ("_sock", "channel", "owed")

    def __init__(self, sock: socket.socket, channel: TlsChannel) -> None:
        self._sock = sock
        self.channel = channel
        self.owed = b""

    def begin(self) -> None:
        """Owe a client's first flight (`TlsChannel.begin`)."""
        self.channel.begin()
        self.owed += self.channel.take_output()

    def decrypt(self, data: bytes) -> bytes:
        """Take ciphertext; plaintext it completes. The answer of TLS to it is owed.

        Raises ssl.SSLError; the alert is owed then.
        """
        try:
            return self.channel.receive_data(data)
        finally:
            self.owed += self.channel.take_output()

    def deliver(self, plaintext: bytes) -> bytes:
        """The same plaintext. Raises BlockingIOError when there is none and more may come.

        After the peer's close_notify the reading side is shut, so that the end can be read behind
        the rest.
        """
        if self.channel.has_ended:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)
        elif not plaintext:
            raise BlockingIOError
        return plaintext

    def encrypt(self, plaintext: bytes | memoryview) -> None:
        """Owe the records of this plaintext. Raises ssl.SSLError before the handshake."""
        self.channel.encrypt(plaintext)
        self.owed += self.channel.take_output()

    def end(self) -> None:
        """Say close_notify, as far as the peer takes it (RFC 9112 section 9.8)."""
        self.channel.end()
        self.owed += self.channel.take_output()
        with suppress(OSError):
            self.flush()

    def flush(self, flags: int = 0) -> bool:
        """Send what is owed; whether all of it is out. Raises OSError as send(2)."""
        while self.owed:
            try:
                sent = self._sock.send(self.owed, flags)
            except BlockingIOError:
                return False
            self.owed = self.owed[sent:]
        return True


class TlsSocket:
    """`sock` with TLS on top; used by one thread at a time, except for `shutdown(SHUT_RDWR)`.

    `on_plain_http` is called when the client speaks HTTP without TLS; from then on the bytes that
    are sent are plain as well, and reading shows the end.
    """

    __slots__ = ("_claimed", "_has_begun", "_is_encrypted", "_on_plain_http", "_sock", "_stream")

    def __init__(
        self, sock: socket.socket, channel: TlsChannel, on_plain_http: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._stream = TlsStream(sock, channel)
        self._is_encrypted = True  # False once it has ended, or the client speaks without TLS
        self._on_plain_http = on_plain_http
        self._has_begun = False
        self._claimed = b""  # plaintext that is owed, as long as its sender does not know that

    def fileno(self) -> int:
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
        if not self._is_encrypted or not data:
            return found
        if not self._has_begun:
            self._has_begun = True
            if data[0] != HANDSHAKE_RECORD:
                self._speak_plain(data)
        try:
            plaintext = self._stream.decrypt(data)
        finally:
            self._flush_own()
        return self._stream.deliver(plaintext), control, 0, None

    def _speak_plain(self, data: bytes) -> None:
        self._is_encrypted = False
        if data[:1].isalpha():  # a method (RFC 9112 section 3); anything else is no HTTP either
            self._on_plain_http()
        raise ConnectionAbortedError("the client does not speak TLS")

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Encrypt and send; return how much of the plaintext is with the kernel.

        Raises BlockingIOError when that is nothing; then the same bytes must be offered again.
        Raises OSError as send(2), ssl.SSLError before the handshake.
        """
        if not self._is_encrypted:
            return self._sock.send(data, flags)
        stream = self._stream
        sent = self._claim(data) if stream.owed or self._claimed else 0
        most = min(len(data), TURN_BYTES)
        while sent < most:
            piece = data[sent : sent + PIECE_BYTES]
            stream.encrypt(piece)
            if not stream.flush(flags):
                self._claimed = bytes(piece)
                break
            sent += len(piece)
        if not sent and len(data):
            raise BlockingIOError
        return sent

    def _claim(self, data: bytes | memoryview) -> int:
        """Send what is owed first; how many bytes of `data` are in it."""
        if not self._stream.flush():
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
        """Say close_notify as far as the client takes it; its later bytes are not decrypted."""
        if self._is_encrypted:
            self._is_encrypted = False
            self._stream.end()

    def disown(self) -> None:
        """Close a forked child's copy: the close_notify is its parent's to send."""
        self._sock.close()

    def close(self) -> None:
        """Close the socket, with a close_notify."""
        self._end()
        self._sock.close()

    def _flush_own(self) -> None:
        """Send what TLS itself has to say."""
        with suppress(ConnectionError):  # reading tells of it as well, behind what has arrived
            self._stream.flush()
        if len(self._stream.owed) > MAX_OWED_BYTES:
            raise ConnectionAbortedError("the client makes us talk and does not listen")
