"""Small whole programs that chapters show to copy, host, and have tested: the very same files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


def source(name: str) -> str:
    """The text of the program of this name."""
    return (_FOLDER / f"{name}.py").read_text("utf-8")
