"""All that load may aim at now, for whoever starts or carries out some."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.load.named_hosts import check_named, resolved
from servescope.load.targets import Targets
from servescope.recording.recorder import RINGS
from servescope.records.named_hosts import NamedHost
from servescope.sampling.recorded_apps import recorded_apps

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.settings import Settings

_SCHEME: Final = re.compile(r"https?://")


def load_targets(control: Control, settings: Settings) -> Targets:
    """The listeners of all processes, the apps that record on this machine, the named hosts."""
    return Targets(
        control.listeners.statuses(), recorded_apps(settings.data_dir / RINGS), settings.load_hosts
    )


def is_origin(aim: object) -> bool:
    """Whether a choice of where load aims is a host's origin: no name of a listener has a colon."""
    return _SCHEME.match(fields.text(aim)) is not None


def found_host(origin: str, settings: Settings) -> NamedHost:
    """Where a host that the operator named is now, which may take the resolver's time.

    Raises LoadRefusedError unless it was named, and leads to an address that may be loaded.
    """
    check_named(origin, settings.load_hosts)
    found = resolved(origin)
    return NamedHost(origin, found.address, found.lookup_seconds)
