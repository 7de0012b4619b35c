"""Cipher suites of TLS by their number (IANA, RFC 8446 section 11) and by their name in OpenSSL.

A number tells the version as well: a suite of TLS 1.3 belongs to no other one (RFC 8446 appendix
B.4), and listeners take no version below 1.2.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

UNKNOWN: Final = 0
"""In the place of a number: that of a suite which none may agree on (RFC 5246 appendix A.5)."""

_FIRST_OF_TLS_1_3: Final = 0x1301
_LAST_OF_TLS_1_3: Final = 0x13FF
_NUMBER_MASK: Final = 0xFFFF  # OpenSSL puts the protocol of its API above it


@cache
def _names() -> dict[int, str]:
    """All that this OpenSSL knows, whatever it would offer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {suite["id"] & _NUMBER_MASK: suite["name"] for suite in context.get_ciphers()}


@cache
def _numbers() -> dict[str, int]:
    return {name: number for number, name in _names().items()}


def number_of(name: str) -> int:
    """The number of a suite by its name in OpenSSL; UNKNOWN for one that it does not list."""
    return _numbers().get(name, UNKNOWN)


def words(number: int) -> str:
    """The version and the suite as a person reads them, `TLS 1.3, TLS_AES_256_GCM_SHA384`."""
    version = "1.3" if _FIRST_OF_TLS_1_3 <= number <= _LAST_OF_TLS_1_3 else "1.2"
    return f"TLS {version}, {_names().get(number, f'cipher suite 0x{number:04x}')}"
