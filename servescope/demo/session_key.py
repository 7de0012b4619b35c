"""The key that signs the demo's session cookies: random, made at first use, none in the source.

It lies beside the store, so that all worker processes of a listener share it and a restart does not
log anybody out.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from servescope.errors import SettingsError
from servescope.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE: Final = "demo-session-key"
KEY_BYTES: Final = 32


def shared_key(folder: Path) -> bytes:
    """The key of this folder, made when there is none; raises OSError when it cannot be kept.

    Of processes that make one at the same time, the first to link its file wins (link(2)).
    """
    path = folder / KEY_FILE
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
        path.unlink(missing_ok=True)  # cut short by a full disk: nobody can have used it
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{KEY_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    return path.read_bytes()


@lru_cache(maxsize=1)
def session_key() -> bytes:
    """The key in the data folder; where that cannot be written, one for this process alone."""
    try:
        return shared_key(load_settings().data_dir)
    except (OSError, SettingsError):
        return secrets.token_bytes(KEY_BYTES)
