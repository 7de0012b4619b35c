"""A note that an app stores, and a restart of its server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

NOTES: Final = "/api/notes"
_NOTE: Final = {"title": "Milk", "text": "Buy milk."}
_JSON: Final = {"Content-Type": "application/json"}
_CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note is created and read; the server's process ends, another starts, and it is read again.

    Measured are the `steps`, and the `before` and `after` status of reading.
    """

    listener: TemporaryListener  # of servescope.demo.flask_app

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Create, read, restart, read."""
        told = Transcript()

        def asked(address: tuple[str, int], target: str, content: bytes = b"") -> tuple[int, str]:
            fields, method = (_JSON, "POST") if content else ({}, "GET")
            request = request_bytes(address, target, fields, method=method, content=content)
            told.add("client", f"{method} {target}", request)
            answer = exchange(address, request, host.left_s())
            told.add("server", f"answers with status {answer.status}", answer.received)
            return answer.status, answer.field("Location")

        with host.span():
            with host.listener(self.listener) as process:
                told.add("server", f"serves, as process {process.pid}")
                status, place = asked(process.address, NOTES, json.dumps(_NOTE).encode())
                if status != _CREATED:
                    raise LoadRefusedError(f"the note was not created: status {status}")
                before, _ = asked(process.address, place)
            told.add("server", "its process ends")
            with host.listener(self.listener) as process:
                told.add("server", f"serves again, as process {process.pid}")
                after, _ = asked(process.address, place)
        return {"before": before, "after": after, "steps": told.steps}
