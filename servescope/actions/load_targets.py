"""All that load may aim at now, for whoever starts or carries out some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.load.targets import Targets
from servescope.recording.recorder import RINGS
from servescope.sampling.recorded_apps import recorded_apps

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.settings import Settings


def load_targets(control: Control, settings: Settings) -> Targets:
    """The listeners of all processes, the apps that record on this machine, the named hosts."""
    return Targets(
        control.listeners.statuses(), recorded_apps(settings.data_dir / RINGS), settings.load_hosts
    )
