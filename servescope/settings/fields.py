"""Every setting: a field each, with its type, its default, its bounds and a description.

A setting is added here, and as a row in the README (a test compares). A type of `values` checks it.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from servescope.data_folder import default_data_dir
from servescope.records.listeners import ConcurrencyModel
from servescope.settings.sources import (
    FILE_NAME,
    PREFIX,
    EnvironmentSource,
    SettingsFile,
    with_secrets_of_files,
)
from servescope.settings.values import (
    X_FORWARDED,
    AppEntries,
    BindAddress,
    Certificate,
    InstanceName,
    ListenAddress,
    LoadHosts,
    LogFormat,
    Networks,
    Password,
    PathPrefix,
    Port,
    Proxies,
    ProxyHeaders,
    PublicOrigin,
    WholePath,
    debugger_objection,
    host_name,
)

_ADDRESS: Final = "`unix:/path` for a unix socket; default: that of all listeners"
_CERTIFICATE: Final = "a PEM file, or `self-signed`; it turns TLS on"
_KEY: Final = "a PEM file; default: it is in the certificate's file"


class Settings(BaseSettings):
    """All settings; each field is one `SERVESCOPE_<NAME>` variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        toml_file=FILE_NAME,
    )

    data_dir: WholePath = Field(
        default_factory=default_data_dir, description="folder of the store, rings and lock"
    )
    host: BindAddress = Field("127.0.0.1", description="address the dashboard binds to")
    port: Port = Field(8050, description="port the dashboard binds to")
    debug: bool = Field(
        default=False, description="Dash's debug mode with the reloader; on loopback only"
    )
    password: Password = Field(
        None, description="operator's password; needed to change anything once it is set"
    )
    password_file: WholePath | None = Field(
        None, description="file whose one line is the password, instead of `password`"
    )
    public_origin: PublicOrigin = Field(
        "",
        description="scheme and host by which browsers reach the dashboard through a proxy, as "
        "https://status.example.org",
    )
    path_prefix: PathPrefix = Field(
        "", description="path below which a proxy shows the dashboard, as /scope/"
    )
    trusted_proxies: Proxies = Field(
        (),
        description="addresses or networks of proxies whose word about a client is believed, "
        "separated by commas; unix: for whoever connects to a unix socket",
    )
    proxy_headers: ProxyHeaders = Field(
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
    wsgi_model: ConcurrencyModel = Field(
        ConcurrencyModel.THREAD_POOL, description="concurrency model of `wsgi`"
    )
    wsgi_debugger: bool = Field(
        default=False,
        description="in-browser debugger around the app of `wsgi`: loopback only, with a PIN",
    )
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
    apps: AppEntries = Field(
        (),
        description="what may be hosted from the browser beside the bundled apps and those of the "
        "settings: module:attribute, folders with what lies in them, or * for anything",
    )
    edited_apps: bool = Field(
        default=False,
        description="run an app that somebody at this machine writes into a chapter of Learn; on "
        "loopback only, behind no proxy",
    )
    workers: int = Field(2, ge=1, le=64, description="processes of a listener on the model prefork")
    threads: int = Field(8, ge=1, le=256, description="request threads of each listener")
    deny: Networks = Field(
        (), description="addresses or networks answered with 403, separated by commas"
    )
    allow: Networks = Field((), description="when given, every other address is answered with 403")
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
    instance: InstanceName = Field(
        default_factory=host_name,
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
    keep_requests: int = Field(
        100_000,
        ge=1_000,
        le=1_000_000,
        description="how many requests are kept in detail, at most 1,000 for each MiB of the store",
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
    load_hosts: LoadHosts = Field(
        (),
        description="hosts that load may aim at beside the listeners here, separated by commas: "
        "example.org and example.org:8443 for HTTP and HTTPS, or an origin as http://example.org",
    )
    load_max_rate: int = Field(
        20_000, ge=1, le=200_000, description="highest load a person may ask for, requests/s"
    )
    load_max_seconds: int = Field(
        600, ge=1, le=3600, description="longest load run a person may ask for, in seconds"
    )

    @property
    def is_behind_proxy(self) -> bool:
        """Whether people reach the dashboard by way of a proxy, be it one that hides itself."""
        return bool(self.public_origin or self.path_prefix)

    @model_validator(mode="before")
    @classmethod
    def read_secret_files(cls, values: dict[str, object]) -> dict[str, object]:
        """Take each secret that stands in a file from there."""
        return with_secrets_of_files(values)

    @field_validator("*", mode="before")
    @classmethod
    def refuse_blanks(cls, value: object) -> object:
        """White space alone is a slip, and no value of anything."""
        if isinstance(value, str) and value.isspace():
            raise ValueError("it holds nothing but white space")
        return value

    @field_validator("debug")
    @classmethod
    def keep_debug_mode_at_home(cls, value: bool, info: ValidationInfo) -> bool:
        """Refuse a debug mode that others could reach: its tracebacks run code behind a PIN."""
        objection = debugger_objection(str(info.data.get("host")), "")
        if value and objection:
            raise ValueError(f"the debug mode {objection}")
        return value

    @field_validator("edited_apps")
    @classmethod
    def keep_edited_apps_at_home(cls, value: bool, info: ValidationInfo) -> bool:
        """Refuse to run what others could write; checked after the fields it depends on."""
        objection = debugger_objection(str(info.data.get("host")), "")
        if value and objection:
            raise ValueError(f"an edited app {objection}")
        if value and (info.data.get("public_origin") or info.data.get("path_prefix")):
            raise ValueError("an edited app is for this machine, and a proxy brings others")
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
        return (init_settings, EnvironmentSource(settings_cls), SettingsFile(settings_cls))
