"""The types of settings: each says what a value may be and how it is written in one way.

A check raises ValueError, whose text follows the setting's name in the error.
"""

from __future__ import annotations

import ast
import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from servescope.addresses import checked_address, checked_listen_address
from servescope.errors import SettingsError
from servescope.paths import absolute
from servescope.records.metrics import ALL_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY_APP: Final = "*"
"""Among the apps that may be hosted from the browser: whatever a person names."""

UNIX_PEER: Final = "unix:"
"""Among trusted proxies: whoever connects to a unix socket."""

ProxyHeader = Literal["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
X_FORWARDED: Final[tuple[ProxyHeader, ...]] = (
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")  # unreserved characters, RFC 3986


def host_name() -> str:
    """The name that this host has for itself."""
    return socket.gethostname() or "localhost"


def names_folder(app: str) -> bool:
    """Whether an app is named by the path of a folder, not as `module:attribute`."""
    return app.startswith(("/", "~"))


def read_origin(text: str) -> str:
    """A web origin as browsers serialise it (RFC 6454 section 6.2), so without a default port.

    Raises ValueError when it is none of http or https, or has more than scheme, host and port.
    """
    parts = urlsplit(text.rstrip("/").lower())
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    is_bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if default_port is None or not is_bare or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        raise ValueError("an origin such as https://status.example.org is needed, without a path")
    if ":" in host:
        host = f"[{ip_address(host)}]"
    port = parts.port  # raises ValueError beyond 65535
    return f"{parts.scheme}://{host}" + ("" if port in {None, default_port} else f":{port}")


def debugger_objection(address: str, model: str) -> str:
    """Why an app bound to `address` on this model gets no debugger; empty when it may have one."""
    try:
        is_loopback = address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        return f"runs any code for whoever reaches it, and {address} is no loopback address"
    if model == "prefork":
        return "keeps its tracebacks in one process, and the model prefork has several"
    return ""


def _whole(path: Path | str) -> Path:
    try:
        return absolute(path)
    except SettingsError as error:  # no home folder
        raise ValueError(str(error)) from None


def _file_or_name(certificate: str) -> str:
    return str(_whole(certificate)) if certificate.startswith("~") else certificate


def _password(value: SecretStr | None) -> SecretStr | None:
    """An empty password would let in whoever sends an empty one."""
    if value is not None and not value.get_secret_value().strip():
        raise ValueError("a password needs a character other than white space")
    return value


def _instance(value: str) -> str:
    """An instance stands in URLs, in labels and on pages."""
    if not value.isprintable() or value != value.strip() or value == ALL_HOSTS:
        raise ValueError(f"a name of printable characters is needed, other than {ALL_HOSTS!r}")
    return value


def _origin_or_nothing(value: str) -> str:
    return read_origin(value) if value else ""


def _path_prefix(value: str) -> str:
    """`/scope` for `scope`, `/scope` and `/scope/`; empty for `/`."""
    segments = value.strip("/").split("/") if value.strip("/") else []
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError("a path such as /scope/ is needed, of letters, digits and -._~")
    return "".join(f"/{segment}" for segment in segments)


def _split_at_commas(value: object) -> object:
    """`10.0.0.0/8,192.0.2.7` as two entries."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_header_names(value: object) -> object:
    """Names of header fields, which are the same in upper and lower case."""
    return _split_at_commas(value.lower() if isinstance(value, str) else value)


def _split_apps(value: object) -> object:
    """`shop:app,shop:create_app("a", "b")` as two entries."""
    return tuple(_app_entries(value)) if isinstance(value, str) else value


def _app_entries(text: str) -> Iterator[str]:
    """The entries of a list of apps; a comma within the brackets of a call ends none."""
    parts = text.split(",")
    while parts:
        ends = (at for at in range(1, len(parts) + 1) if _is_whole(",".join(parts[:at])))
        end = next(ends, 1)
        entry = ",".join(parts[:end]).strip()
        if entry:
            yield entry
        parts = parts[end:]


def _is_whole(entry: str) -> bool:
    """Whether no bracket is open: only the call of a factory has some."""
    if "(" not in entry or names_folder(entry.strip()):
        return True
    try:
        ast.parse(entry.partition(":")[2].strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _apps(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an entry that names no app: else a typo would show only when somebody wants it."""
    for entry in value:
        module, _, attribute = entry.partition(":")
        if names_folder(entry):
            _whole(entry)
        elif entry != ANY_APP and not (module and attribute):
            raise ValueError(
                f"{entry!r} is neither module:attribute, nor a folder's whole path, "
                f"nor {ANY_APP} for anything"
            )
    return value


def _proxies(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an entry that names no proxy, and one that would believe each client."""
    for entry in value:
        try:
            is_everybody = entry != UNIX_PEER and ip_network(entry, strict=False).prefixlen == 0
        except ValueError:
            raise ValueError(
                f"{entry!r} is neither an address nor a network, nor {UNIX_PEER}"
            ) from None
        if is_everybody:
            raise ValueError(f"{entry} would believe every client: name the proxies")
    return value


def _one_family(value: tuple[ProxyHeader, ...]) -> tuple[ProxyHeader, ...]:
    """A proxy that writes one family passes on what a client sent of the other."""
    if "forwarded" in value and len(value) > 1:
        raise ValueError("either forwarded alone, or some of x-forwarded-…")
    return value


def _load_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    """Origins; a host without a scheme stands for both of its origins."""
    origins: list[str] = []
    for entry in value:
        named = (entry,) if "://" in entry else (f"http://{entry}", f"https://{entry}")
        try:
            origins += map(read_origin, named)
        except ValueError:
            raise ValueError(
                f"{entry!r} is neither a host, nor host:port, nor an origin as http://example.org"
            ) from None
    return tuple(dict.fromkeys(origins))


Port = Annotated[int, Field(ge=0, le=65535)]
LogFormat = Literal["common", "combined"]
WholePath = Annotated[Path, AfterValidator(_whole)]
BindAddress = Annotated[str, AfterValidator(checked_address)]
ListenAddress = Annotated[str, AfterValidator(checked_listen_address)]
Certificate = Annotated[str, AfterValidator(_file_or_name)]
Password = Annotated[SecretStr | None, AfterValidator(_password)]
InstanceName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_instance)]
PublicOrigin = Annotated[str, AfterValidator(_origin_or_nothing)]
PathPrefix = Annotated[str, AfterValidator(_path_prefix)]
AppEntries = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_apps), AfterValidator(_apps)
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_at_commas)
]
Proxies = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_at_commas), AfterValidator(_proxies)
]
LoadHosts = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_at_commas), AfterValidator(_load_hosts)
]
ProxyHeaders = Annotated[
    tuple[ProxyHeader, ...],
    NoDecode,
    BeforeValidator(_split_header_names),
    AfterValidator(_one_family),
]
