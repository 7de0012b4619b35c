"""Dash without the doors that environment variables and installed packages open in it.

Dash reads some thirty variables while an app is made (`DASH_MCP_ENABLED`, `DASH_HOT_RELOAD`,
`DASH_UI`, `DASH_URL_BASE_PATHNAME`, `HOST`, …, in capitals or small), and runs what any installed
package registers as an entry point `dash_hooks`: routes, callbacks, changes of every page. Our own
settings say all there is to say; a variable meant for another Dash app, one hosted here even, opens
nothing in the dashboard.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dash._configs import load_dash_env_vars  # the names of all variables; there is no public list
from dash._hooks import HooksManager

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "DASH_"


@contextmanager
def no_doors() -> Iterator[None]:
    """While an app is made: without Dash's variables and without the hooks of other packages."""
    known = set(load_dash_env_vars())  # type: ignore[no-untyped-call]  # Dash has no types
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(_PREFIX) or name.upper() in known
    }
    for name in hidden:
        del os.environ[name]
    HooksManager._registered = True  # noqa: SLF001 - as after the entry points were loaded
    try:
        yield
    finally:
        os.environ.update(hidden)
