"""The sources of settings: environment variables, `servescope.toml`, and files of secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from servescope.errors import SettingsError
from servescope.paths import absolute
from servescope.secret_file import read_secret
from servescope.service_links import service_links

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

PREFIX: Final = "SERVESCOPE_"
FILE_NAME: Final = "servescope.toml"
SECRETS: Final = ("password", "store")
"""Each may stand in a file instead, which the setting of the same name with `_file` names."""


class EnvironmentSource(EnvSettingsSource):
    """The variables, without those by which Kubernetes describes a service called `servescope`."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        links = {name.lower() for name in service_links(os.environ, PREFIX)}
        self.env_vars = {
            name: value for name, value in self.env_vars.items() if name.lower() not in links
        }


class SettingsFile(TomlConfigSettingsSource):
    """`servescope.toml`, without what is empty there."""

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if value != ""}


def with_secrets_of_files(values: dict[str, object]) -> dict[str, object]:
    """The values, with each secret that stands in a file read from there.

    Raises SettingsError when a secret is set both ways, or its file cannot be read.
    """
    for name in SECRETS:
        file, setting = values.get(f"{name}_file"), PREFIX + name.upper()
        if not file:
            continue
        if name in values:
            raise SettingsError(f"{setting} and {setting}_FILE are both set: set one of them")
        values = {**values, name: read_secret(f"{setting}_FILE", absolute(str(file)))}
    return values
