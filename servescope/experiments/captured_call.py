"""One call of a WSGI app, captured by the server: all its steps, its environ, its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

EDITED: Final = "edited_app"
"""The module that holds the app which a person wrote; its callable is `app`."""

ANSWERED_S: Final = 10.0
_FIELDS: Final = {"User-Agent": "servescope-learn", "Accept": "text/plain"}
_ERROR_BYTES: Final = 4_000
_KEPT: Final = ("model", "pid", "thread", "steps", "request", "response", "environ")


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """A GET of `target`, which the server captures.

    Of an app that `is_edited` the text is that of the host: it is run in the process of the
    listener alone, and only where the setting `edited_apps` is on. Measured are parts of what was
    captured (`capturing.document`), `start_response` among them, the number of bytes that the
    client sent and received, and the `errors` of an edited app: the end of its standard error.
    """

    listener: TemporaryListener
    target: str  # origin-form
    is_edited: bool = False

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Call it once; the app's first call is as good as any."""
        if self.is_edited:
            if not host.settings.edited_apps:
                raise LoadRefusedError("the setting edited_apps is off: no edited app is run")
            (host.folder / f"{EDITED}.py").write_text(host.text, "utf-8")
        with host.listener(self.listener, in_folder=self.is_edited, captured=1) as process:
            with host.span():
                request = request_bytes(process.address, self.target, _FIELDS)
                seen = exchange(process.address, request, min(ANSWERED_S, host.left_s()))
            (document,) = host.captures(1)
            errors = process.errors(_ERROR_BYTES) if self.is_edited else ""
        return {name: document[name] for name in (*_KEPT, "start_response")} | {
            "client_sent": len(seen.sent),
            "client_received": len(seen.received),
            "errors": errors,
        }
