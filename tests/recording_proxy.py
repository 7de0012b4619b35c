"""A TCP proxy that keeps the bytes of both directions: what was really on the connection."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class RecordingProxy:
    """Passes one connection after the other on to `upstream`; `sent` and `received` are bytes.

    `sent` is what clients sent, `received` what they got.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()
        self.sent = bytearray()
        self.received = bytearray()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with client, socket.create_connection(self._upstream, timeout=20) as server:
                    back = threading.Thread(target=self._pass, args=(server, client, self.received))
                    back.start()
                    self._pass(client, server, self.sent)
                    back.join(20)

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                kept += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def exchange(self, data: bytes, *pieces: bytes) -> bytes:
        """Send bytes on a new connection, in pieces; all that comes back until the end."""
        with socket.create_connection(self.address, timeout=20) as sock:
            for piece in (data, *pieces):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            parts = []
            while part := sock.recv(65_536):
                parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(20)
