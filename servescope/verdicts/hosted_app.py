"""One side's app, hosted in a process of its own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.collecting.rings import RingFolder
from servescope.errors import AppImportError, ListenerError, UsageError
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.records.requests import Stage
from servescope.serving.workers.app_probe import probe_app
from servescope.serving.workers.contender import ContenderProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.verdicts.side import AppSide

UP_S: Final = 30.0
"""How long an app may take to start: it is imported, and does what it does at its start."""

GRACE_S: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"
_NS_PER_S: Final = 1_000_000_000
_MS_PER_NS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Hosting:
    """How the apps of both sides are hosted."""

    model: ConcurrencyModel | None = None  # None: asyncio for an ASGI app, else thread_pool
    threads: int = 8
    workers: int = 2
    is_pinned: bool = True

    @property
    def cores(self) -> tuple[int | None, int | None]:
        """The core of the apps, and the generator's; None: any.

        Both sides are served on the same one: they are never under load at the same time.
        """
        cores = sorted(os.sched_getaffinity(0))
        return (cores[0], cores[-1]) if self.is_pinned and len(cores) > 1 else (None, None)


class HostableApp:
    """An app that was imported once from its folder, by a process that has ended since.

    Raises AppImportError when it cannot be imported from there, UsageError when the model cannot
    host it.
    """

    def __init__(self, name: str, side: AppSide, hosting: Hosting) -> None:
        probed = probe_app(side.app, side.folder)
        if not Path(probed.file).resolve().is_relative_to(side.folder):
            raise AppImportError(
                f"{side.app} is not in {side.folder}: it was imported from {probed.file}"
            )
        is_asgi = probed.kind is AppKind.ASGI
        model = hosting.model or (
            ConcurrencyModel.ASYNCIO if is_asgi else ConcurrencyModel.THREAD_POOL
        )
        if is_asgi and model is not ConcurrencyModel.ASYNCIO:
            raise UsageError(f"{side.app} is an ASGI app and needs an event loop: --model asyncio")
        options = ListenerOptions(
            threads=hosting.threads, workers=hosting.workers, pin_core=hosting.cores[0]
        )
        self.folder = side.folder
        self.spec = ListenerSpec(name, _LOOPBACK, 0, model, probed.kind, side.app, options=options)


class HostedApp:
    """An app under way in a process of its own. Raises ListenerError when it does not start.

    It is imported from `folder`, None: as it would be here. Its requests are recorded in `rings`.
    """

    def __init__(self, spec: ListenerSpec, rings: Path, folder: Path | None = None) -> None:
        self._rings = RingFolder(rings, {})
        self._process = ContenderProcess(spec, rings, folder)
        is_up = False
        try:
            is_up = self._process.is_up(UP_S)
        finally:
            if not is_up:
                self.close()
        if not is_up:
            raise ListenerError(f"{spec.app} did not start within {UP_S:.0f} s")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._process.address

    def unfinished(self) -> int | None:
        """Requests that it has taken and not answered, as it reported last."""
        load = self._process.load
        return None if load is None else load.active_requests

    def stages_ms(self) -> Mapping[str, float]:
        """Mean milliseconds of each stage, of the requests that ended since this was asked last."""
        self._rings.discover()
        now_ns, now_s = time.time_ns(), time.monotonic()
        cursors: dict[str, int] = {}
        records = []
        for name, ring in self._rings.records.items():
            drained = ring.drain(
                lambda reader, cursor: reader.drain(cursor, now_ns + _NS_PER_S, now_s)
            )
            cursors[name] = drained.cursor
            records.append(drained.records["stages_ns"])
        self._rings.commit(cursors, [])
        stages = np.concatenate(records) if records else np.empty((0, len(Stage)))
        if not len(stages):
            return {}
        means = stages.mean(axis=0, dtype=np.float64) * _MS_PER_NS
        return dict(zip((stage.name.lower() for stage in Stage), means.tolist(), strict=True))

    def close(self) -> None:
        """End the process and leave nothing of it."""
        self._process.stop(GRACE_S)
        self._rings.close()
