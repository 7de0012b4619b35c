"""Servescope: host a web server, watch it live, load it, and see where the milliseconds go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servescope.dataframes import read_run, read_store

__all__ = ["read_run", "read_store"]


def __getattr__(name: str) -> Any:
    """`read_run` and `read_store`, imported when they are first asked for.

    They need pandas, and the recorders, which are imported by other people's apps, do not.
    """
    if name in __all__:
        from servescope import dataframes

        return getattr(dataframes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
