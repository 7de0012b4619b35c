"""One side of a TLS connection, sans-IO: ciphertext and plaintext in, plaintext and ciphertext out.

Theory of operation. OpenSSL works on two memory buffers (`ssl.MemoryBIO`), so the socket stays
ours: it is read by recvmsg, with the kernel's stamp, and never waits. All plaintext that a piece of
ciphertext completes comes out at once. So nothing readable ever stays behind in OpenSSL, where no
selector would see it.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final

from servescope.wire import cipher_suites

RECORD_BYTES: Final = 16_384
"""Most plaintext in one record (RFC 8446 section 5.1)."""

HANDSHAKE_RECORD: Final = 22
"""First byte of every ClientHello: the ContentType of its record (RFC 8446 section 5.1)."""


class TlsChannel:
    """One connection's TLS; used by one thread at a time.

    `is_established` turns True with the handshake, `has_ended` with the peer's close_notify: no
    plaintext comes after it, but ours may still go out (RFC 8446 section 6.1). `cipher_suite` is
    the number of the suite agreed on (see `cipher_suites`), UNKNOWN before the handshake.
    """

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_tls",
        "cipher_suite",
        "has_ended",
        "is_established",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = True,
        server_hostname: str | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.is_established = False
        self.has_ended = False
        self.cipher_suite = cipher_suites.UNKNOWN

    def begin(self) -> None:
        """Take the first step of a handshake that this side starts."""
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()

    def receive_data(self, ciphertext: bytes) -> bytes:
        """Take ciphertext; return the plaintext it completes, empty while there is none.

        Look at `take_output` after it, also when it raises ssl.SSLError: an alert may be due.
        """
        self._incoming.write(ciphertext)
        tls = self._tls
        if not self.is_established:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.is_established = True
            agreed = tls.cipher()
            if agreed is not None:
                self.cipher_suite = cipher_suites.number_of(agreed[0])
        parts = []
        try:
            while part := tls.read(RECORD_BYTES):
                parts.append(part)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypt(self, plaintext: bytes | memoryview) -> None:
        """Make records of it; `take_output` has them. Raises ssl.SSLError before the handshake."""
        with memoryview(plaintext) as rest:
            at = 0
            while at < len(rest):
                at += self._tls.write(rest[at : at + RECORD_BYTES])

    def end(self) -> None:
        """Say close_notify, once the handshake is done; `take_output` has it."""
        if self.is_established:
            with suppress(ssl.SSLError):  # there was a fatal alert: nobody waits for ours
                self._tls.unwrap()

    def take_output(self) -> bytes:
        """The bytes that are to be sent to the peer."""
        return self._outgoing.read()

    def peer_certificate(self) -> bytes:
        """The certificate the peer showed in the handshake, in DER form; b"" for none."""
        return self._tls.getpeercert(binary_form=True) or b""

    def version(self) -> str | None:
        """The protocol version agreed on, e.g. `TLSv1.3`."""
        return self._tls.version()

    def protocol(self) -> str | None:
        """The application protocol agreed on (ALPN, RFC 7301), None when the client named none."""
        return self._tls.selected_alpn_protocol()
