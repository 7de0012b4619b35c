"""The data folder, where a dashboard and the recorders of other people's apps meet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from servescope.environment import value_of
from servescope.errors import SettingsError
from servescope.paths import absolute, home

DATA_DIR: Final = "SERVESCOPE_DATA_DIR"
"""The one setting that the recorders read. They read no `servescope.toml`: it lies in a dashboard's
working folder, and theirs is the app's."""


def default_data_dir() -> Path:
    """The folder for state that outlives a start (XDG Base Directory Specification).

    Raises SettingsError where no home folder is known.
    """
    base = Path(value_of("XDG_STATE_HOME") or "")
    try:
        # The specification: a path that is relative is to be ignored.
        return (base if base.is_absolute() else home() / ".local" / "state") / "servescope"
    except SettingsError as error:
        raise SettingsError(
            f"{error}; set {DATA_DIR} to a folder that this user can write"
        ) from None


def recorded_data_dir(given: Path | str | None = None) -> Path:
    """The folder that a recorder writes to: the one given, that of the setting, or the default.

    Raises SettingsError where there is no home folder to find it in.
    """
    return absolute(given or value_of(DATA_DIR) or default_data_dir())
