"""The order that the master gives to its workers, as it travels among Locust's options."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from servescope.load.mix import Share
from servescope.load.named_hosts import host_and_port_of
from servescope.load.tls_connections import Trust
from servescope.scenarios.scenario_file import from_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.records.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class WorkersOrder:
    """A checked scenario, where it aims, and which worker carries out which part."""

    toml: str  # the scenario with its data
    origin: str  # as http://127.0.0.1:8000
    address: str  # numeric: no worker looks the name up
    users: int  # of all workers
    parts: Mapping[str, int] = field(default_factory=dict)  # by Locust's id of the worker, from 0

    def to_json(self) -> dict[str, Any]:
        """The object that travels."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WorkersOrder:
        """Read what `to_json` wrote."""
        return cls(**values)

    @property
    def scenario(self) -> Scenario:
        return from_toml(self.toml).scenario

    @property
    def destination(self) -> tuple[str, int]:
        """The address and the port to connect to."""
        return self.address, host_and_port_of(self.origin)[1]

    @property
    def host(self) -> str:
        """The value of the Host field."""
        return urlsplit(self.origin).netloc

    @property
    def trust(self) -> Trust | None:
        """By what the server is known; None without TLS."""
        parts = urlsplit(self.origin)
        return Trust.by_system(parts.hostname or "") if parts.scheme == "https" else None

    def share_of(self, worker: str) -> Share | None:
        """The part of a worker; None of one that came after the order was given."""
        part = self.parts.get(worker)
        return None if part is None else Share(part, len(self.parts))
