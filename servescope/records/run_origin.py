"""Where a load run that was opened from a file had been measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """The host that measured a run, its number there, and the file that brought it here.

    `run_id` is 0 of a run that never had a number, as of those that Locust carried out. `folder` is
    the name of the folder of its series, below `run_files.imported.FOLDER`.
    """

    host: str
    run_id: int
    exported_s: float  # epoch seconds, as the next
    imported_s: float
    folder: str

    @property
    def label(self) -> str:
        """The run as a sentence names it: `run 12 of web-1`."""
        return f"run {self.run_id} of {self.host}" if self.run_id else f"a run of {self.host}"

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunOrigin:
        """Read what `to_json` wrote. Raises TypeError when it is something else."""
        return cls(**values)
