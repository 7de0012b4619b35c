"""The order to a worker process on its standard input: one JSON line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from servescope.records.captures import CaptureOrder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving.tls.certificates import Pair


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """An order to serve; `descriptor` is the inherited listening socket, `path` a `sys.path`.

    The certificate comes as it was read by the parent, so that a process that replaces another one
    shows the same, whatever the files hold by then. `is_alone` says that no other process serves
    the socket.
    """

    spec: ListenerSpec
    descriptor: int
    rings: str
    path: list[str]
    pair: Pair | None = None
    is_alone: bool = False
    captures: CaptureOrder | None = None  # by which requests are captured from the start
    folder: str = ""  # the working folder of the app; "": the parent's

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> WorkerOrder:
        """The order in a line; raises ValueError, KeyError or TypeError when there is none."""
        values: dict[str, Any] = json.loads(line)
        spec = values["spec"]
        spec["options"] = ListenerOptions.from_json(spec["options"])
        spec["model"] = ConcurrencyModel(spec["model"])
        spec["app_kind"] = AppKind(spec["app_kind"])
        pair = Pair(**values["pair"]) if values["pair"] else None
        captures = CaptureOrder.from_json(values["captures"]) if values["captures"] else None
        return cls(**{**values, "spec": ListenerSpec(**spec), "pair": pair, "captures": captures})
