"""Paths as people write them: `~` is their home folder, where there is one.

A container often runs as a user that the passwd database does not know, and without HOME: then
`Path.home()` and `Path.expanduser()` raise a RuntimeError.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from servescope.errors import SettingsError


def home() -> Path:
    """HOME, where it is set and not empty, else the user's folder of the passwd database.

    Raises SettingsError when neither tells one.
    """
    told = os.environ.get("HOME")
    if told:
        return Path(told)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise SettingsError(
            f"there is no home folder: HOME is not set, and the passwd database has no user "
            f"{os.getuid()}"
        ) from None


def expanded(path: Path | str) -> Path:
    """The path with a leading `~` or `~user` replaced. Raises SettingsError without such a home."""
    first, *rest = Path(path).parts or (".",)
    if first == "~":
        return home().joinpath(*rest)
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SettingsError(f"{path}: there is no home folder of {first[1:]!r}") from None


def absolute(path: Path | str) -> Path:
    """The same, from the root on. Raises SettingsError."""
    try:
        return expanded(path).absolute()
    except OSError as error:  # the working folder was deleted
        raise SettingsError(f"{path}: the working folder is gone ({error.strerror})") from None
