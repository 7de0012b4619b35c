"""The surroundings of a load run when it began: what a second run must share to be like it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository that the files of the hosted app are in."""

    commit: str  # hexadecimal
    branch: str = ""  # "": a commit is checked out, no branch
    is_dirty: bool = False  # files differ from the commit, or are not in it


@dataclass(frozen=True, slots=True)
class RunEnvironment:
    """Versions, machine and server; an empty text where it could not be found out."""

    servescope: str  # version
    python: str  # implementation and version
    system: str  # name and release of the kernel
    machine: str  # architecture
    cores: int  # that this process may use
    # Of the listener; a run that aims at a host elsewhere has none of what follows.
    app: str = ""  # a folder, or module:attribute
    app_kind: str = ""
    model: str = ""  # of concurrency
    threads: int | None = None  # of all processes; None: an event loop calls the app
    processes: int = 0
    is_tls: bool = False
    pinned_core: int | None = None
    listening_since_s: float = 0.0  # epoch seconds; the app's code is as old, or older
    repository: Repository | None = None
    port: int = 0  # 0: none, or not kept

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunEnvironment:
        """Read what `to_json` wrote; fields of a later version are left out.

        Raises TypeError when it is something else.
        """
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        if known.get("repository") is not None:
            known["repository"] = Repository(**known["repository"])
        return cls(**known)
