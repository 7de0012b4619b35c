"""Reading the settings, and the one line about what is wrong with them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from servescope.errors import SettingsError
from servescope.service_links import service_links
from servescope.settings.fields import Settings
from servescope.settings.sources import FILE_NAME, PREFIX, SECRETS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
        raise SettingsError(f"{FILE_NAME} cannot be read: {error}") from None
    except OSError as error:
        raise SettingsError(f"{FILE_NAME} cannot be read: {error.strerror}") from None


def _shown(fault: ErrorDetails) -> str:
    """The value as told in an error: no secret, nor what stands before an @ in a URL."""
    if fault["loc"][:1] and fault["loc"][0] in SECRETS:
        return "***"
    return re.sub(r"//[^/@]*@", "//***@", repr(fault["input"]))
