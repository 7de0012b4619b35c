"""A revision of the repository around the present folder, as files in a folder of their own."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from servescope.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def checked_out(revision: str, folder: Path) -> Path | None:
    """Write the revision's files into `folder`; the counterpart in it of the present folder.

    None when git knows no such revision here. Neither the repository's index nor its working tree
    is touched. Raises UsageError when git cannot write the files.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    top, below = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--show-prefix")
    if not commit or not top or below is None:
        return None
    folder.mkdir(parents=True)
    index = str(folder.with_suffix(".index"))
    written = _git("read-tree", commit, folder=top, index=index) is not None and (
        _git("checkout-index", "--all", f"--prefix={folder}/", folder=top, index=index) is not None
    )
    if not written:
        raise UsageError(f"git cannot write the files of {revision} into {folder}")
    return folder / below


def _git(*words: str, folder: str | None = None, index: str | None = None) -> str | None:
    """The output of git in this folder; None when it fails or is not installed."""
    environment = {**os.environ, "GIT_INDEX_FILE": index} if index else None
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
