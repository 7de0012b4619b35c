"""Servescope: host a web server, watch it live, load it, and see where the milliseconds go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servescope.dataframes import read_store

__all__ = ["read_store"]


def __getattr__(name: str) -> Any:
    """`read_store`, imported when it is first asked for.

    It needs pandas, and the recorders, which are imported by other people's apps, do not.
    """
    if name == "read_store":
        from servescope.dataframes import read_store

        return read_store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
