"""The apps and folders that may be hosted from the browser.

To import a module is to run its code, and to host a folder is to publish it; so a password, or a
seat at this machine, is not enough. A person chooses among the bundled apps, those that the
settings name for the listeners, and those that the operator listed in `SERVESCOPE_APPS`. The
process that hosts the app asks here again: overrides may be older than the settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope import demo
from servescope.errors import AppImportError, SettingsError
from servescope.hosting.app_import import parse_app_name
from servescope.paths import absolute
from servescope.settings import ANY_APP, names_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.settings import Settings

BUNDLED_SITE: Final = Path(demo.__file__).parent / "site"
BUNDLED_WSGI: Final = "servescope.demo.flask_app:app"
BUNDLED_ASGI: Final = "servescope.demo.asgi_app:app"


def offered_apps(settings: Settings) -> list[str]:
    """The apps to choose from: those of the settings, the bundled ones, those the operator listed.

    Of folders only the listed ones, though any folder within them may be hosted.
    """
    folder = settings.files_folder or BUNDLED_SITE
    own = (settings.wsgi_app, settings.asgi_app, str(folder))
    bundled = (BUNDLED_WSGI, BUNDLED_ASGI, str(BUNDLED_SITE))
    listed = [app for app in settings.apps if app != ANY_APP]
    return list(dict.fromkeys([*own, *bundled, *listed]))


def why_not_hostable(settings: Settings, app: str, own: Iterable[str] = ()) -> str:
    """Why this app may not be hosted from the browser; empty when it may.

    `own` are hosted anyway, whatever the settings say.
    """
    unfit = _unfit(settings, app)
    if unfit or ANY_APP in settings.apps or _is_listed(app, [*offered_apps(settings), *own]):
        return unfit
    return (
        f"{app} may not be hosted from the browser. The operator allows it by the setting "
        f"SERVESCOPE_APPS={app}."
    )


def _unfit(settings: Settings, app: str) -> str:
    """Why nobody may host this app, whatever the settings say; empty without a reason."""
    if names_folder(app):
        why_not = _no_home(app)
        if not why_not and _overlap(_real(app), _real(str(settings.data_dir))):
            return f"{app} holds Servescope's own data, the sessions of the sign-in among it."
        return why_not
    if _text(app) is None:
        return (
            f"{app or 'Nothing'} is neither module:attribute nor module:create_app(…) "
            "nor the whole path of a folder."
        )
    return ""


def _is_listed(app: str, allowed: list[str]) -> bool:
    """Whether an app is one of the list, however it is written, or a folder within one of them."""
    if app in allowed:
        return True
    if not names_folder(app):
        return _text(app) in map(_text, allowed)
    folders = filter(names_folder, allowed)
    return any(_real(app).is_relative_to(_real(folder)) for folder in folders)


def _text(app: str) -> str | None:
    """The name of an app as every way to write it; None for what names none."""
    try:
        return parse_app_name(app).text
    except AppImportError:
        return None


def hosting_rule(settings: Settings) -> str:
    """A sentence that says which apps may be hosted from the browser, and how to allow more."""
    if ANY_APP in settings.apps:
        return "Any app on Python's path and any folder may be hosted (SERVESCOPE_APPS=*)."
    return (
        "Hosted from here: the bundled apps, those of the settings, and what the operator lists in "
        "SERVESCOPE_APPS, as module:attribute or folders, separated by commas."
    )


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _no_home(folder: str) -> str:
    try:
        absolute(folder)
    except SettingsError as error:
        return f"{error}."
    return ""


def _real(folder: str) -> Path:
    return absolute(folder).resolve()
