"""The environment that settings are read from: what a test sets, and nothing of its caller's."""

import os

from servescope.settings import PREFIX

FROM_PLATFORM = {"PORT", "WEB_CONCURRENCY"}


def set_only(patch, **settings):
    """Leave these settings, named without their prefix, as the only ones: a MonkeyPatch does it."""
    for name in [*os.environ]:
        if name.startswith(PREFIX) or name in FROM_PLATFORM:
            patch.delenv(name)
    for name, value in settings.items():
        patch.setenv(PREFIX + name, str(value))
