"""Temporary listeners of what the dashboard brings along, on the simplest concurrency model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from servescope import demo
from servescope.experiments.host import TemporaryListener
from servescope.records.listeners import AppKind, ConcurrencyModel

SITE: Final = Path(demo.__file__).parent / "site"
"""The folder of the listener `files`, unless the settings name another one."""

WSGI: Final = "servescope.demo.flask_app:app"


def of_files(**options: Any) -> TemporaryListener:
    """The bundled folder, with these options."""
    return TemporaryListener(
        str(SITE), AppKind.STATIC, ConcurrencyModel.SEQUENTIAL, options=options
    )


def of_wsgi(**options: Any) -> TemporaryListener:
    """The bundled Flask app, with these options."""
    return TemporaryListener(WSGI, AppKind.WSGI, ConcurrencyModel.SEQUENTIAL, options=options)
