"""The generator's connections behind TLS, and whom they trust.

Theory of operation. A connection offers what a plain one does: `send` and `receive` on a
non-blocking socket. `send` reports bytes as taken once the kernel has all of their records; until
the TLS handshake is done it raises BlockingIOError, with `awaits_peer` set when only bytes from the
server can change that. Bytes that complete no plaintext look like nothing. Every handshake is a
whole one: no session is resumed.

A listener hosted here is known by its very certificate, as its status tells it: neither an
authority nor a name nor a date is asked. That its server holds the key is part of the handshake.
Any other server is known as browsers know it: by a certificate for its name, from an authority that
the system trusts.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.load.connections import Connection
from servescope.records.load import LoadOutcome
from servescope.sockets.tls import TlsStream
from servescope.wire.tls_channel import TlsChannel

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from servescope.records.listeners import ShownCertificate

_HANDSHAKE: Final = LoadOutcome.HANDSHAKE
_Received = tuple[bytes, "Sequence[tuple[int, int, bytes]]", int, Any]


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificate a listener shows, and where it is renewed; or the name of another server."""

    sha256: str  # of its DER form, hexadecimal
    file: str  # in PEM form, the listener's own certificate first
    server_name: str = ""  # then the system's authorities are asked, and the two above are empty

    @classmethod
    def by_system(cls, server_name: str) -> Trust:
        """Trust in whom the system's authorities certify to be that host."""
        return cls("", "", server_name)

    @classmethod
    def in_certificate(cls, certificate: ShownCertificate) -> Trust:
        """Trust in what a status tells."""
        return cls(certificate.sha256, certificate.file)


class TrustedServer:
    """Opens connections to one server and knows it by its certificate."""

    def __init__(self, trust: Trust) -> None:
        self._trusted = trust.sha256
        self._file = Path(trust.file)
        self.server_name = trust.server_name or None
        if self.server_name:
            self.context = ssl.create_default_context()
        else:
            # The certificate is compared with the one we know, which is stricter than an authority.
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])

    def check(self, certificate: bytes) -> None:
        """Raise LoadRefusedError unless `certificate`, in DER form, is the listener's.

        One that was renewed since the start of the run stands in the listener's file. The
        certificate of another server was verified in the handshake.
        """
        if self.server_name:
            return
        found = hashlib.sha256(certificate).hexdigest()
        if found != self._trusted:
            renewed = self._in_file()
            if found != renewed:
                raise LoadRefusedError(
                    f"the server's certificate is not the listener's: SHA-256 {found[:16]}… "
                    f"instead of {self._trusted[:16]}…; nothing was sent to it"
                )
            self._trusted = renewed

    def _in_file(self) -> str:
        """SHA-256 of the first certificate in the file, empty without one."""
        with suppress(OSError, ValueError):
            text = self._file.read_bytes().decode("latin-1")
            _, begin, rest = text.partition(ssl.PEM_HEADER)
            body, end, _ = rest.partition(ssl.PEM_FOOTER)
            der = ssl.PEM_cert_to_DER_cert(begin + body + end)
            return hashlib.sha256(der).hexdigest()
        return ""


class TlsConnection(Connection):
    """A connection whose bytes are encrypted; see `Connection`."""

    __slots__ = ("_connected_ns", "_encrypted_bytes", "_is_known", "_server", "_stream")

    def __init__(self, family: socket.AddressFamily, opened_ns: int, server: TrustedServer) -> None:
        super().__init__(family, opened_ns)
        self._server = server
        self._stream = TlsStream(
            self.socket,
            TlsChannel(server.context, server_side=False, server_hostname=server.server_name),
        )
        self._stream.begin()
        self._connected_ns = 0  # the kernel took the first bytes: TCP is connected
        self._encrypted_bytes = 0  # of those offered, how many are in the ciphertext owed
        self._is_known = False  # the server showed the listener's certificate
        self.send = self._encrypt_and_send
        self.receive = self._receive_and_decrypt

    def _encrypt_and_send(self, data: bytes) -> int:
        """Encrypt and send; how many of the bytes were taken.

        Raises BlockingIOError until the kernel has all that were encrypted: then the same have to
        be offered again, and others may follow them. Raises OSError as send(2), and ssl.SSLError.
        """
        self.awaits_peer = False
        if self._is_known and not self._encrypted_bytes:
            self._stream.encrypt(data)
            self._encrypted_bytes = len(data)
        if not self._flush():
            raise BlockingIOError
        if not self._is_known:
            self.awaits_peer = True
            raise BlockingIOError
        taken, self._encrypted_bytes = self._encrypted_bytes, 0
        return taken

    def _flush(self) -> bool:
        """Send what is owed; whether all of it is out. Raises OSError as send(2)."""
        before = self._stream.owed
        try:
            return self._stream.flush()
        finally:
            if self._stream.owed is not before:
                self.early_end = _HANDSHAKE  # it is connected: a failure now is one of TLS
                self._connected_ns = self._connected_ns or time.monotonic_ns()

    def establish(self, now_ns: int) -> None:
        super().establish(now_ns)
        self.tls_ns = now_ns - self._connected_ns

    def _receive_and_decrypt(self, size: int, control_bytes: int) -> _Received:
        """Plaintext that has arrived with the kernel's stamp, b"" at the end (close_notify).

        Raises BlockingIOError when there is none yet, ssl.SSLError, LoadRefusedError for a server
        that is not trusted, and OSError when the connection broke or ended without a close_notify:
        what it carried may have been cut short (RFC 9112 section 9.8).
        """
        data, control, flags, peer = self.socket.recvmsg(size, control_bytes)
        stream = self._stream
        channel = stream.channel
        if not data:
            if channel.has_ended:
                return data, control, flags, peer
            raise ConnectionAbortedError("the end came without a close_notify")
        try:
            plaintext = stream.decrypt(data)
        except ssl.SSLCertVerificationError as error:
            raise LoadRefusedError(
                f"the certificate of {self._server.server_name} is not trusted: "
                f"{error.verify_message}; no request was sent to it"
            ) from None
        finally:
            if self._is_known:  # else the request takes it along
                with suppress(ConnectionError):
                    self._flush()
        if not self._is_known and channel.is_established:
            self._server.check(channel.peer_certificate())
            self._is_known = True
        return stream.deliver(plaintext), control, flags, peer

    def close(self) -> None:
        """Say close_notify, unless a request is half sent, and close the socket."""
        if self._is_known and not self._stream.owed:
            self._stream.end()
        super().close()
