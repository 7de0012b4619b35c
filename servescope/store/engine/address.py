"""The address of the engine: `prometheus+http://user:password@host:port/prefix`."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from servescope.addresses import host_and_port
from servescope.errors import SettingsError

SCHEMES: Final = {"prometheus+http": 9090, "prometheus+https": 443}
"""Schemes, each with its default port."""

_SETTING: Final = "SERVESCOPE_STORE"
_FORM: Final = "prometheus+http://[user:password@]host[:port][/prefix]"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """One engine. `shown` names it without user and password."""

    secure: bool
    host: str
    port: int
    prefix: str  # begins with a slash, or is empty
    authorization: str = field(default="", repr=False)  # the header's value (RFC 7617)

    @property
    def shown(self) -> str:
        """The address for logs and pages."""
        place = host_and_port(self.host, self.port)
        return f"{'https' if self.secure else 'http'}://{place}{self.prefix}"


def read_address(text: str) -> EngineAddress:
    """Read the setting. Raises SettingsError, in one line that shows the form and no password."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"bad setting {_SETTING}: {error}; the form is {_FORM}") from None
    if parts.scheme not in SCHEMES:
        raise SettingsError(
            f"bad setting {_SETTING}: scheme {parts.scheme!r} is none of sqlite, "
            f"{', '.join(SCHEMES)}; the form is {_FORM}"
        )
    if not host or parts.query or parts.fragment or port == 0 or not _is_plain(host + parts.path):
        raise SettingsError(f"bad setting {_SETTING}: no address; the form is {_FORM}")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return EngineAddress(
        secure=parts.scheme.endswith("s"),
        host=host,
        port=port or SCHEMES[parts.scheme],
        prefix=parts.path.rstrip("/"),
        authorization=authorization,
    )


def _is_plain(text: str) -> bool:
    """Whether the text can stand in a request line as it is."""
    return text.isascii() and text.isprintable() and " " not in text
