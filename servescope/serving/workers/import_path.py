"""Where a process looks for the modules of an app that is in a folder of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import servescope

_PACKAGE_ROOT: Final = Path(servescope.__file__).resolve().parent.parent


def import_path(folder: Path | None) -> list[str]:
    """The `sys.path` for an app in this folder; None: wherever this process finds it.

    The folder comes first. The one that this process was started in, which Python searches as well,
    is left out: a module that the folder lacks would be taken from there, silently, and be another
    version of it.
    """
    if folder is None:
        return list(sys.path)
    started_in = Path.cwd()
    others = [entry for entry in sys.path if Path(entry or ".").resolve() != started_in]
    return [str(folder), *others, str(_PACKAGE_ROOT)]
