"""Settings from `SERVESCOPE_*` environment variables and an optional `servescope.toml`.

The environment wins over the file. An unknown or bad value stops the start with one line naming it.
An empty value counts as not set. A secret may stand in a file of its own, which `*_file` names.

`fields` has every setting, `values` the types that check them, `sources` the places they are read
from, `loading` the error about a bad one.
"""

from __future__ import annotations

from servescope.settings.fields import Settings
from servescope.settings.loading import load_settings
from servescope.settings.sources import PREFIX
from servescope.settings.values import ANY_APP, debugger_objection, names_folder, read_origin

__all__ = [
    "ANY_APP",
    "PREFIX",
    "Settings",
    "debugger_objection",
    "load_settings",
    "names_folder",
    "read_origin",
]
