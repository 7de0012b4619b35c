"""The endpoints that models can be compared on: bundled ones, and apps of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.actions.hostable_apps import (
    BUNDLED_ASGI,
    BUNDLED_SITE,
    BUNDLED_WSGI,
    offered_apps,
)
from servescope.records.listeners import ConcurrencyModel

if TYPE_CHECKING:
    from servescope.settings import Settings


@dataclass(frozen=True, slots=True)
class ComparedEndpoint:
    """An app and a path; `loop_app` takes the app's place on an event loop."""

    label: str
    app: str
    target: str
    loop_app: str = ""

    def app_on(self, model: ConcurrencyModel) -> str:
        """The app that this model hosts."""
        on_loop = model is ConcurrencyModel.ASYNCIO and self.loop_app
        return self.loop_app if on_loop else self.app


BUNDLED_ENDPOINTS: Final[dict[str, ComparedEndpoint]] = {
    "slow": ComparedEndpoint(
        "Slow endpoint: waits 50 ms", BUNDLED_WSGI, "/slow?ms=50", BUNDLED_ASGI
    ),
    "cpu": ComparedEndpoint(
        "CPU-bound endpoint: computes for 20 ms", BUNDLED_WSGI, "/cpu?ms=20", BUNDLED_ASGI
    ),
    "mixed": ComparedEndpoint(
        "Mixed endpoint: computes for 5 ms, waits 20 ms",
        BUNDLED_WSGI,
        "/mixed?cpu_ms=5&wait_ms=20",
        BUNDLED_ASGI,
    ),
    "hello": ComparedEndpoint("Hello page", BUNDLED_WSGI, "/", BUNDLED_ASGI),
    "file": ComparedEndpoint("Static file, 8 KB", str(BUNDLED_SITE), "/data/glossary.json"),
}
"""By a short name: the first is the one that a learner should see first."""


def compared_endpoints(settings: Settings) -> dict[str, ComparedEndpoint]:
    """The bundled endpoints, then the root of each other app that may be hosted."""
    known = {endpoint.app for endpoint in BUNDLED_ENDPOINTS.values()} | {BUNDLED_ASGI}
    others = {
        app: ComparedEndpoint(app, app, "/") for app in offered_apps(settings) if app not in known
    }
    return BUNDLED_ENDPOINTS | others
