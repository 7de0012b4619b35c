"""The order a generator process reads from its standard input: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from servescope.errors import LoadRefusedError
from servescope.load.targets import Target
from servescope.load.tls_connections import Trust
from servescope.records.load import LoadPlan


@dataclass(frozen=True, slots=True)
class Order:
    """A checked plan, and where to send and to record."""

    run_id: int
    plan: LoadPlan
    target: Target
    rings_folder: str
    pin_core: int | None = None  # None: not pinned

    def to_line(self) -> bytes:
        return json.dumps({**asdict(self), "plan": self.plan.to_json()}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """Read what `to_line` wrote. Raises LoadRefusedError when it is something else."""
        try:
            values = json.loads(line)
            target = values["target"]
            trust = target["trust"] and Trust(**target["trust"])
            return cls(
                **{
                    **values,
                    "plan": LoadPlan.from_json(values["plan"]),
                    "target": Target(**{**target, "trust": trust}),
                }
            )
        except (ValueError, TypeError, KeyError) as error:
            raise LoadRefusedError(f"the order is no load order: {error}") from None
