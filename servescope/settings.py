"""Settings from `SERVESCOPE_*` environment variables and an optional `servescope.toml`.

The environment wins over the file. An unknown or bad value stops the start with one line naming it.
"""

from __future__ import annotations

import os
import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from servescope.errors import SettingsError

PREFIX = "SERVESCOPE_"
ANY_APP: Final = "*"
"""Among the apps that may be hosted from the browser: whatever a person names."""

ALL_HOSTS: Final = "*"
"""Stands for every host together where one is to be chosen."""

_ADDRESS = "`unix:/path` for a unix socket; default: that of all listeners"
_CERTIFICATE = "a PEM file, or `self-signed`; it turns TLS on"
_KEY = "a PEM file; default: it is in the certificate's file"
Port = Annotated[int, Field(ge=0, le=65535)]
LogFormat = Literal["common", "combined"]
ProxyHeader = Literal["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
X_FORWARDED: Final[tuple[ProxyHeader, ...]] = (
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
)
UNIX_PEER: Final = "unix:"
"""Among trusted proxies: whoever connects to a unix socket."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")  # unreserved characters, RFC 3986
Model = Literal["sequential", "thread_pool", "prefork", "asyncio"]


def default_data_dir() -> Path:
    """The folder for state that outlives a start (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "servescope"


def names_folder(app: str) -> bool:
    """Whether an app is named by the path of a folder, not as `module:attribute`."""
    return app.startswith(("/", "~"))


class Settings(BaseSettings):
    """All settings; each field is one `SERVESCOPE_<NAME>` variable. README lists them (tested)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, toml_file="servescope.toml"
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="folder of the store, rings and lock"
    )
    host: str = Field("127.0.0.1", description="address the dashboard binds to")
    port: Port = Field(8050, description="port the dashboard binds to")
    debug: bool = Field(
        default=False, description="Dash's debug mode with the reloader; on loopback only"
    )
    password: SecretStr | None = Field(
        None, description="operator's password; needed to change anything once it is set"
    )
    public_origin: str = Field(
        "",
        description="scheme and host by which browsers reach the dashboard through a proxy, as "
        "https://status.example.org",
    )
    path_prefix: str = Field(
        "", description="path below which a proxy shows the dashboard, as /scope/"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses or networks of proxies whose word about a client is believed, "
        "separated by commas; unix: for whoever connects to a unix socket",
    )
    proxy_headers: Annotated[tuple[ProxyHeader, ...], NoDecode] = Field(
        X_FORWARDED,
        description="header fields that these proxies write: forwarded (RFC 7239), or some of "
        "x-forwarded-for, x-forwarded-proto and x-forwarded-host",
    )
    listen_address: str = Field(
        "127.0.0.1", description="address the hosted listeners bind to; `::` takes IPv4 as well"
    )
    backlog: int = Field(
        128, ge=1, le=65_535, description="connections a listener's kernel queue holds, unaccepted"
    )
    files_port: Port = Field(8000, description="port of the listener `files`; 0 picks a free one")
    files_folder: Path | None = Field(
        None, description="folder the listener `files` serves; default: the bundled site"
    )
    files_address: str = Field("", description=f"address of `files`; {_ADDRESS}")
    files_tls_certificate: str = Field("", description=f"certificate of `files`; {_CERTIFICATE}")
    files_tls_key: Path | None = Field(None, description=f"key of `files`; {_KEY}")
    files_model: Model = Field("thread_pool", description="concurrency model of `files`")
    wsgi_port: Port = Field(5555, description="port of the listener `wsgi`; 0 picks a free one")
    wsgi_app: str = Field(
        "servescope.demo.flask_app:app",
        description="WSGI callable of the listener `wsgi`, as module:attribute",
    )
    wsgi_address: str = Field("", description=f"address of `wsgi`; {_ADDRESS}")
    wsgi_tls_certificate: str = Field("", description=f"certificate of `wsgi`; {_CERTIFICATE}")
    wsgi_tls_key: Path | None = Field(None, description=f"key of `wsgi`; {_KEY}")
    asgi_port: Port = Field(8001, description="port of the listener `asgi`; 0 picks a free one")
    asgi_app: str = Field(
        "servescope.demo.asgi_app:app",
        description="ASGI application of the listener `asgi`, as module:attribute",
    )
    asgi_address: str = Field("", description=f"address of `asgi`; {_ADDRESS}")
    asgi_tls_certificate: str = Field("", description=f"certificate of `asgi`; {_CERTIFICATE}")
    asgi_tls_key: Path | None = Field(None, description=f"key of `asgi`; {_KEY}")
    wsgi_model: Model = Field("thread_pool", description="concurrency model of `wsgi`")
    wsgi_debugger: bool = Field(
        default=False,
        description="in-browser debugger around the app of `wsgi`: loopback only, with a PIN",
    )
    apps: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="what may be hosted from the browser beside the bundled apps and those of the "
        "settings: module:attribute, folders with what lies in them, or * for anything",
    )
    workers: int = Field(2, ge=1, le=64, description="processes of a listener on the model prefork")
    threads: int = Field(8, ge=1, le=256, description="request threads of each listener")
    deny: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="addresses or networks answered with 403, separated by commas"
    )
    allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="when given, every other address is answered with 403"
    )
    access_log: Path | None = Field(
        None, description="folder of the listeners' access logs, NAME.log each; off without it"
    )
    access_log_format: LogFormat = Field(
        "combined", description="format of the access logs: common or combined"
    )
    access_log_mib: int = Field(
        16, ge=1, le=65_536, description="size from which on an access log is rotated, in MiB"
    )
    access_log_files: int = Field(
        5, ge=1, le=1000, description="files of each access log, the present one included"
    )
    pin_cpu: bool = Field(
        default=True, description="pin each listener's threads to one core (halves their cost)"
    )
    store: SecretStr = Field(
        SecretStr("sqlite"),
        description="where metrics are kept: sqlite, or the URL of a Prometheus-compatible engine, "
        "as prometheus+http://host:port",
    )
    instance: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=200,
        description="this host's name among those that send to the same engine",
    )
    store_mib: int = Field(
        512, ge=16, le=1_048_576, description="size budget of the store file, in MiB"
    )
    keep_1s_hours: int = Field(
        24, ge=1, le=8_760, description="how long every second is kept, in hours"
    )
    keep_60s_days: int = Field(90, ge=1, le=3_650, description="how long minutes are kept, in days")
    keep_600s_days: int = Field(
        730, ge=1, le=36_500, description="how long rows of ten minutes are kept, in days"
    )
    load_max_rate: int = Field(
        20_000, ge=1, le=200_000, description="highest load a person may ask for, requests/s"
    )
    load_max_seconds: int = Field(
        600, ge=1, le=3600, description="longest load run a person may ask for, in seconds"
    )

    @field_validator("instance")
    @classmethod
    def printable(cls, value: str) -> str:
        """An instance stands in URLs, in labels and on pages."""
        if not value.isprintable() or value != value.strip() or value == ALL_HOSTS:
            raise ValueError(f"a name of printable characters is needed, other than {ALL_HOSTS!r}")
        return value

    @field_validator("apps")
    @classmethod
    def name_apps(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what names no app: a typo would be found out only when somebody wants it."""
        for entry in value:
            module, _, attribute = entry.partition(":")
            if entry != ANY_APP and not names_folder(entry) and not (module and attribute):
                raise ValueError(
                    f"{entry!r} is neither module:attribute, nor a folder's whole path, "
                    f"nor {ANY_APP} for anything"
                )
        return value

    @property
    def is_behind_proxy(self) -> bool:
        """Whether people reach the dashboard by way of a proxy, be it one that hides itself."""
        return bool(self.public_origin or self.path_prefix)

    @field_validator("public_origin")
    @classmethod
    def normalise_origin(cls, value: str) -> str:
        """Scheme, host and port in lower case and without a default port, as browsers send it."""
        return read_origin(value) if value else ""

    @field_validator("path_prefix")
    @classmethod
    def normalise_prefix(cls, value: str) -> str:
        """`/scope` for `scope`, `/scope` and `/scope/`; empty for `/`."""
        segments = value.strip("/").split("/") if value.strip("/") else []
        if not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise ValueError("a path such as /scope/ is needed, of letters, digits and -._~")
        return "".join(f"/{segment}" for segment in segments)

    @field_validator("trusted_proxies")
    @classmethod
    def name_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what names no proxy, and what would believe each client."""
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

    @field_validator("proxy_headers")
    @classmethod
    def choose_one_family(cls, value: tuple[ProxyHeader, ...]) -> tuple[ProxyHeader, ...]:
        """A proxy that writes one family passes on what a client sent of the other."""
        if "forwarded" in value and len(value) > 1:
            raise ValueError("either forwarded alone, or some of x-forwarded-…")
        return value

    @field_validator("apps", "deny", "allow", "trusted_proxies", "proxy_headers", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        """Read `10.0.0.0/8,192.0.2.7` as two entries."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("proxy_headers", mode="before")
    @classmethod
    def lower_names(cls, value: object) -> object:
        """Header fields have names without case."""
        return value.lower() if isinstance(value, str) else value

    @field_validator("debug")
    @classmethod
    def keep_debug_mode_at_home(cls, value: bool, info: ValidationInfo) -> bool:
        """Refuse a debug mode that others could reach: its tracebacks run code behind a PIN."""
        objection = debugger_objection(str(info.data.get("host")), "")
        if value and objection:
            raise ValueError(f"the debug mode {objection}")
        return value

    @field_validator("wsgi_debugger")
    @classmethod
    def keep_debugger_at_home(cls, value: bool, info: ValidationInfo) -> bool:
        """Refuse a debugger that others could reach; checked after the fields it depends on."""
        address = info.data.get("wsgi_address") or info.data.get("listen_address")
        model = info.data.get("wsgi_model")
        objection = debugger_objection(str(address), str(model))
        if value and objection:
            raise ValueError(f"the debugger {objection}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, `servescope.toml` in the working folder."""
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


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


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises SettingsError with one line that names every unknown or bad setting and why.
    """
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and name[len(PREFIX) :].lower() not in Settings.model_fields
    )
    if unknown:
        known = ", ".join(sorted(PREFIX + field.upper() for field in Settings.model_fields))
        raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {known}")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them itself
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'_'.join(str(part) for part in fault['loc'][:1]).upper()}="
            f"{_without_password(fault['input'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingsError(f"bad setting {wrong}") from None
    except ValueError as error:  # the file is no TOML
        raise SettingsError(f"servescope.toml cannot be read: {error}") from None


def _without_password(value: object) -> str:
    """The value as told in an error; what stands before an @ in a URL may be a password."""
    return re.sub(r"//[^/@]*@", "//***@", repr(value))
