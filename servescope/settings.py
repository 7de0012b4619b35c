"""Settings from `SERVESCOPE_*` environment variables and an optional `servescope.toml`.

The environment wins over the file. An unknown or bad value stops the start with one line naming it.
An empty value counts as not set. A secret may stand in a file of its own, which `*_file` names.
"""

from __future__ import annotations

import ast
import os
import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from servescope.addresses import checked_address, checked_listen_address
from servescope.data_folder import default_data_dir
from servescope.errors import SettingsError
from servescope.paths import absolute
from servescope.records.listeners import ConcurrencyModel
from servescope.records.metrics import ALL_HOSTS
from servescope.secret_file import read_secret
from servescope.service_links import service_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

PREFIX = "SERVESCOPE_"
SECRETS: Final = ("password", "store")
"""Each may stand in a file instead, which the setting of the same name with `_file` names."""

ANY_APP: Final = "*"
"""Among the apps that may be hosted from the browser: whatever a person names."""

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


def host_name() -> str:
    """The name that this host has for itself."""
    return socket.gethostname() or "localhost"


def names_folder(app: str) -> bool:
    """Whether an app is named by the path of a folder, not as `module:attribute`."""
    return app.startswith(("/", "~"))


def _whole(path: Path | str) -> Path:
    """The absolute path; a ValueError, which is told with the setting's name, without a home."""
    try:
        return absolute(path)
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _file_or_name(certificate: str) -> str:
    """A file as an absolute path; `self-signed`, or nothing, as it is."""
    return str(_whole(certificate)) if certificate.startswith("~") else certificate


WholePath = Annotated[Path, AfterValidator(_whole)]
ListenAddress = Annotated[str, AfterValidator(checked_listen_address)]
Certificate = Annotated[str, AfterValidator(_file_or_name)]


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


class Settings(BaseSettings):
    """All settings; each field is one `SERVESCOPE_<NAME>` variable. README lists them (tested)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        toml_file="servescope.toml",
    )

    data_dir: WholePath = Field(
        default_factory=default_data_dir, description="folder of the store, rings and lock"
    )
    host: Annotated[str, AfterValidator(checked_address)] = Field(
        "127.0.0.1", description="address the dashboard binds to"
    )
    port: Port = Field(8050, description="port the dashboard binds to")
    debug: bool = Field(
        default=False, description="Dash's debug mode with the reloader; on loopback only"
    )
    password: SecretStr | None = Field(
        None, description="operator's password; needed to change anything once it is set"
    )
    password_file: WholePath | None = Field(
        None, description="file whose one line is the password, instead of `password`"
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
    listen_address: ListenAddress = Field(
        "127.0.0.1", description="address the hosted listeners bind to; `::` takes IPv4 as well"
    )
    backlog: int = Field(
        128, ge=1, le=65_535, description="connections a listener's kernel queue holds, unaccepted"
    )
    files_port: Port = Field(8000, description="port of the listener `files`; 0 picks a free one")
    files_folder: WholePath | None = Field(
        None, description="folder the listener `files` serves; default: the bundled site"
    )
    files_address: ListenAddress = Field("", description=f"address of `files`; {_ADDRESS}")
    files_tls_certificate: Certificate = Field(
        "", description=f"certificate of `files`; {_CERTIFICATE}"
    )
    files_tls_key: WholePath | None = Field(None, description=f"key of `files`; {_KEY}")
    files_model: ConcurrencyModel = Field(
        ConcurrencyModel.THREAD_POOL, description="concurrency model of `files`"
    )
    wsgi_port: Port = Field(5555, description="port of the listener `wsgi`; 0 picks a free one")
    wsgi_app: str = Field(
        "servescope.demo.flask_app:app",
        description="WSGI callable of the listener `wsgi`, as module:attribute",
    )
    wsgi_address: ListenAddress = Field("", description=f"address of `wsgi`; {_ADDRESS}")
    wsgi_tls_certificate: Certificate = Field(
        "", description=f"certificate of `wsgi`; {_CERTIFICATE}"
    )
    wsgi_tls_key: WholePath | None = Field(None, description=f"key of `wsgi`; {_KEY}")
    asgi_port: Port = Field(8001, description="port of the listener `asgi`; 0 picks a free one")
    asgi_app: str = Field(
        "servescope.demo.asgi_app:app",
        description="ASGI application of the listener `asgi`, as module:attribute",
    )
    asgi_address: ListenAddress = Field("", description=f"address of `asgi`; {_ADDRESS}")
    asgi_tls_certificate: Certificate = Field(
        "", description=f"certificate of `asgi`; {_CERTIFICATE}"
    )
    asgi_tls_key: WholePath | None = Field(None, description=f"key of `asgi`; {_KEY}")
    wsgi_model: ConcurrencyModel = Field(
        ConcurrencyModel.THREAD_POOL, description="concurrency model of `wsgi`"
    )
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
    access_log: WholePath | None = Field(
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
    store_file: WholePath | None = Field(
        None, description="file whose one line is `store`, for a URL that holds a password"
    )
    instance: str = Field(
        default_factory=host_name,
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
    keep_captures: int = Field(
        200, ge=1, le=10_000, description="how many captured requests are kept"
    )
    keep_captures_mib: int = Field(
        32, ge=1, le=1024, description="size of all captured requests that are kept, in MiB"
    )
    keep_captures_hours: int = Field(
        168, ge=1, le=8_760, description="how long captured requests are kept, in hours"
    )
    load_max_rate: int = Field(
        20_000, ge=1, le=200_000, description="highest load a person may ask for, requests/s"
    )
    load_max_seconds: int = Field(
        600, ge=1, le=3600, description="longest load run a person may ask for, in seconds"
    )

    @model_validator(mode="before")
    @classmethod
    def read_secret_files(cls, values: dict[str, object]) -> dict[str, object]:
        """Take each secret that stands in a file from there."""
        for name in SECRETS:
            file, setting = values.get(f"{name}_file"), PREFIX + name.upper()
            if not file:
                continue
            if name in values:
                raise SettingsError(f"{setting} and {setting}_FILE are both set: set one of them")
            values = {**values, name: read_secret(f"{setting}_FILE", absolute(str(file)))}
        return values

    @field_validator("password")
    @classmethod
    def refuse_no_password(cls, value: SecretStr | None) -> SecretStr | None:
        """An empty password would let in whoever sends an empty one."""
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("a password needs a character other than white space")
        return value

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
            if names_folder(entry):
                _whole(entry)
            elif entry != ANY_APP and not (module and attribute):
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

    @field_validator("apps", mode="before")
    @classmethod
    def split_apps(cls, value: object) -> object:
        """Read `shop:app,shop:create_app("a", "b")` as two entries."""
        if isinstance(value, str):
            return tuple(_app_entries(value))
        return value

    @field_validator("deny", "allow", "trusted_proxies", "proxy_headers", mode="before")
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

    @field_validator("*", mode="before")
    @classmethod
    def refuse_blanks(cls, value: object) -> object:
        """White space alone is a slip, and no value of anything."""
        if isinstance(value, str) and value.isspace():
            raise ValueError("it holds nothing but white space")
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
        del env_settings, dotenv_settings, file_secret_settings
        return (init_settings, _Environment(settings_cls), _SettingsFile(settings_cls))


class _Environment(EnvSettingsSource):
    """The variables, but for those that tell of a service of this name."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        links = {name.lower() for name in service_links(os.environ, PREFIX)}
        self.env_vars = {
            name: value for name, value in self.env_vars.items() if name.lower() not in links
        }


class _SettingsFile(TomlConfigSettingsSource):
    """`servescope.toml`, without what is empty there."""

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if value != ""}


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
    links = service_links(os.environ, PREFIX)
    unknown = sorted(
        name
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
        and value
        and name not in links
        and name[len(PREFIX) :].lower() not in Settings.model_fields
    )
    if unknown:
        known = ", ".join(sorted(PREFIX + field.upper() for field in Settings.model_fields))
        raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {known}")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them itself
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'_'.join(str(part) for part in fault['loc'][:1]).upper()}="
            f"{_shown(fault)}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise SettingsError(f"bad setting {wrong}") from None
    except ValueError as error:  # the file is no TOML
        raise SettingsError(f"servescope.toml cannot be read: {error}") from None
    except OSError as error:
        raise SettingsError(f"servescope.toml cannot be read: {error.strerror}") from None


def _shown(fault: ErrorDetails) -> str:
    """The value as told in an error: no secret, nor what stands before an @ in a URL."""
    if fault["loc"][:1] and fault["loc"][0] in SECRETS:
        return "***"
    return re.sub(r"//[^/@]*@", "//***@", repr(fault["input"]))
