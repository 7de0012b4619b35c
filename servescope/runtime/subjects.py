"""What models are compared on, unless somebody has an app of their own: bundled, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.runtime.hostable import BUNDLED_ASGI, BUNDLED_SITE, BUNDLED_WSGI, offered

if TYPE_CHECKING:
    from servescope.settings import Settings


@dataclass(frozen=True, slots=True)
class Subject:
    """An app and a path; `loop_app` takes the app's place on an event loop."""

    label: str
    app: str
    target: str
    loop_app: str = ""


SUBJECTS: Final[dict[str, Subject]] = {
    "slow": Subject("Slow endpoint: waits 50 ms", BUNDLED_WSGI, "/slow?ms=50", BUNDLED_ASGI),
    "hello": Subject("Hello page", BUNDLED_WSGI, "/", BUNDLED_ASGI),
    "file": Subject("Static file, 8 KB", str(BUNDLED_SITE), "/data/glossary.json"),
}
"""The bundled ones by a short name: the first is what a learner should see first."""


def subjects(settings: Settings) -> dict[str, Subject]:
    """The bundled subjects, then the other apps that may be hosted."""
    known = {subject.app for subject in SUBJECTS.values()} | {BUNDLED_ASGI}
    others = {app: Subject(app, app, "/") for app in offered(settings) if app not in known}
    return SUBJECTS | others
