"""Certificate and key of a listener: read and checked, or made for it.

The demonstration's own pair is signed by itself (no authority stands behind it): a client has to be
told to trust its certificate, `curl --cacert FILE`.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.errors import CertificateError
from servescope.records.listeners import SELF_SIGNED, ShownCertificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from servescope.records.listeners import ListenerOptions

FOLDER: Final = "tls"
"""Where the self-signed pair lies, in the data folder."""

CERTIFICATE_NAME: Final = "self-signed.pem"
KEY_NAME: Final = "self-signed.key"
VALID_DAYS: Final = 365
RENEW_DAYS: Final = 30
"""A self-signed pair that ends within so many days is replaced."""

NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""The names and addresses of the self-signed certificate (SAN, RFC 6125)."""

_ALPN: Final = ["http/1.1"]
_SKEW: Final = dt.timedelta(hours=1)  # a client's clock may be behind


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with its chain, and its key, both in PEM form, as read at one moment.

    The text is what stands in the files, a byte a character (latin-1).
    """

    certificate: str
    key: str = field(repr=False)
    certificate_file: str
    key_file: str


def files_of(options: ListenerOptions, data_folder: Path) -> tuple[Path, Path] | None:
    """Certificate and key of a listener, None for one without TLS; one file may hold both.

    Makes the self-signed pair if needed. Raises CertificateError.
    """
    if not options.certificate and not options.key:
        return None
    if options.certificate == SELF_SIGNED:
        return self_signed_pair(data_folder)
    if not options.certificate:
        raise CertificateError(f"the key {options.key} needs a certificate beside it")
    return Path(options.certificate), Path(options.key or options.certificate)


def read_pair(certificate: Path, key: Path) -> Pair:
    """The pair that stands in the files now. Raises CertificateError when one cannot be read."""
    return Pair(_text("certificate", certificate), _text("key", key), str(certificate), str(key))


def _text(what: str, path: Path) -> str:
    try:
        return path.read_bytes().decode("latin-1")
    except OSError as error:
        raise CertificateError(f"the {what} {path} cannot be read: {error.strerror}") from error


def context_of(pair: Pair) -> ssl.SSLContext:
    """A server's context: TLS 1.2 at least, ALPN http/1.1, no renegotiation.

    Raises CertificateError when the pair is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(_ALPN)
    is_encrypted = False

    def passphrase() -> str:  # else OpenSSL would ask on the terminal
        nonlocal is_encrypted
        is_encrypted = True
        return ""

    try:
        with _in_memory(pair.certificate) as certificate, _in_memory(pair.key) as key:
            context.load_cert_chain(certificate, key, passphrase)
    except (ssl.SSLError, ValueError) as error:
        if is_encrypted:
            why = f"the key {pair.key_file} is encrypted; give one without a passphrase"
        elif getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            why = (
                f"the key {pair.key_file} does not belong to the certificate "
                f"{pair.certificate_file}"
            )
        else:
            why = (
                f"{pair.certificate_file} and {pair.key_file} are no certificate and key "
                "in PEM form"
            )
        raise CertificateError(why) from error
    except OSError as error:  # no descriptor left, say
        raise CertificateError(
            f"{pair.certificate_file} cannot be used now: {error.strerror}"
        ) from error
    return context


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A path with this text: OpenSSL reads files only, and those on disk may change meanwhile."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(text.encode("latin-1"))
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def shown(pair: Pair, read_s: float) -> ShownCertificate:
    """The part of a pair that clients see; it was read at `read_s`, epoch seconds.

    Raises CertificateError.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        leaf = x509.load_pem_x509_certificate(pair.certificate.encode("latin-1"))
    except ValueError as error:
        raise CertificateError(f"{pair.certificate_file} cannot be parsed: {error}") from error
    return ShownCertificate(
        file=pair.certificate_file,
        sha256=leaf.fingerprint(hashes.SHA256()).hex(),
        serial=f"{leaf.serial_number:x}",
        ends_s=leaf.not_valid_after_utc.timestamp(),
        read_s=read_s,
    )


def self_signed_pair(data_folder: Path) -> tuple[Path, Path]:
    """Certificate and key for `NAMES`, made when there is none, or none that lasts.

    Files of mode 0600 in a folder of mode 0700. Any number of processes may ask at the same time.
    Raises CertificateError.
    """
    folder = data_folder / FOLDER
    certificate, key = folder / CERTIFICATE_NAME, folder / KEY_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _lasts(certificate, key):
                for path, content in zip((key, certificate), _make_pair(), strict=True):
                    _replace(path, content)
    except OSError as error:
        raise CertificateError(
            f"no self-signed certificate can be kept in {folder}: {error.strerror}"
        ) from error
    return certificate, key


def _lasts(certificate: Path, key: Path) -> bool:
    """Whether the pair is there, whole, and good for a while."""
    from cryptography import x509

    try:
        pair = read_pair(certificate, key)
        context_of(pair)
        ends = x509.load_pem_x509_certificate(pair.certificate.encode()).not_valid_after_utc
    except (CertificateError, ValueError):
        return False
    return ends > dt.datetime.now(dt.UTC) + dt.timedelta(days=RENEW_DAYS)


def _replace(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_bytes(content)
    new.replace(path)


def _make_pair() -> tuple[bytes, bytes]:
    """A new key on P-256 and its certificate, in PEM form."""
    # Loaded only where a pair is made: 10 MB of shared library.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Servescope, self-signed")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(list(_general_names())), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(pem)


def _general_names() -> Iterator[x509.GeneralName]:
    from cryptography import x509

    for name in NAMES:
        with suppress(ValueError):
            yield x509.IPAddress(ip_address(name))
            continue
        yield x509.DNSName(name)
