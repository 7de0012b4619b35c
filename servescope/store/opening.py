"""The backend that the settings ask for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from servescope.errors import SettingsError
from servescope.store import REGISTRY
from servescope.store.engine.address import SCHEMES, read_address

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.store.base import Store
    from servescope.store.tiers import Retention


def check_backend(wanted: str) -> None:
    """Raise SettingsError, in one line, when `wanted` names no backend or a bad address."""
    if wanted not in REGISTRY or wanted in SCHEMES:
        read_address(wanted)


def open_backend(
    wanted: str,
    folder: Path,
    size_mib: int,
    instance: str,
    retention: Retention | None = None,
) -> Store:
    """Open the backend that `wanted` names: `sqlite`, or the URL of an engine.

    Raises SettingsError, and what the backend raises.
    """
    scheme, separator, _ = wanted.partition("://")
    if scheme not in REGISTRY:
        raise SettingsError(f"bad setting SERVESCOPE_STORE: there is no {scheme!r}")
    module, name = REGISTRY[scheme].split(":")
    backend = getattr(importlib.import_module(module), name)
    further = {"url": wanted, "instance": instance} if separator else {}
    store: Store = backend(folder, size_mib, retention, **further)
    return store
