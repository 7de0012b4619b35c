"""The reports of a worker process on its standard output: one JSON line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from servescope.hosting.asgi.host import WebSocketTraffic
from servescope.serving.model import Load


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How busy it is; or why it cannot serve, before it ends; or which files its app is made of."""

    load: Load | None = None
    failure: str = ""
    sources: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        """The report as a line, without empty values."""
        told = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> WorkerReport:
        """The report in a line; raises ValueError, KeyError or TypeError when there is none."""
        values: dict[str, Any] = json.loads(line)
        load = values.get("load")
        if load is not None:
            traffic = load["websocket"]
            load = Load(**{**load, "websocket": WebSocketTraffic(**traffic) if traffic else None})
        return cls(load, values.get("failure", ""), tuple(values.get("sources", ())))
