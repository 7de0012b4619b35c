"""Secrets that stand in files, as Docker and Kubernetes hand them to a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES: Final = 4_096
"""Longest secret: a longer one is another file, or a device that never ends."""


def read_secret(setting: str, path: Path) -> str:
    """The one line of the file, without its end. Raises SettingsError, which tells none of it."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"bad setting {setting}={path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"bad setting {setting}={path}: it is no text in UTF-8") from None
    if len(content) > MOST_BYTES:
        raise SettingsError(f"bad setting {setting}={path}: more than {MOST_BYTES:,} bytes")
    if not text.strip():
        raise SettingsError(f"bad setting {setting}={path}: the file is empty")
    if len(text.splitlines()) > 1:
        raise SettingsError(f"bad setting {setting}={path}: more than one line")
    return text
