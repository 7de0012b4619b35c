"""Both sides of a comparison, opened anew for each pair.

Two processes of the same code differ: in the layout of their memory, the seed of their hashes, the
order in which they met their requests (T. Kalibera and R. Jones, Rigorous benchmarking in
reasonable time, ISMM 2013). With the same two processes in all pairs that difference would be in
each of them, and would pass for one between the versions. So an app gets a new process for each
pair, and the difference of processes is part of the pairs' noise.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from servescope.load.draining import await_drained
from servescope.load.targets import Target
from servescope.verdicts.hosted_app import HostableApp, HostedApp
from servescope.verdicts.side import AppSide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from servescope.records.listeners import ListenerSpec
    from servescope.statistics.sequential_verdict import Side
    from servescope.verdicts.hosted_app import Hosting
    from servescope.verdicts.side import NamedSide


def _unknown() -> None:
    """Of a server of which nobody knows how busy it is."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one side is found now."""

    side: Side
    label: str
    target: Target
    hosted: HostedApp | None = None  # None: it runs already
    stages_between: Callable[[float, float], Mapping[str, float]] | None = None
    """Mean milliseconds of each stage between two times in Unix seconds; None: not known."""
    unfinished: Callable[[], int | None] = _unknown
    """Requests that it has taken and not answered; None: not known."""


@dataclass(frozen=True, slots=True)
class AppToHost:
    """A side that gets a new process for each pair, as `HostedApp` has it."""

    label: str
    spec: ListenerSpec
    folder: Path | None = None


class Sides:
    """Both sides: a server that runs already is the same in all pairs, an app is not.

    `wait` waits so many seconds for a server to answer what it has; its exceptions come out of
    `await_drained`.
    """

    def __init__(
        self,
        sides: Mapping[Side, Destination | AppToHost],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sides = sides
        self._wait = wait
        self._lasting = dict.fromkeys(sides, 0)  # requests that once outlasted the wait for them
        self.labels = {side: one.label for side, one in sides.items()}

    @contextmanager
    def opened(self) -> Iterator[Mapping[Side, Destination]]:
        """Start the apps, and end them at last. Raises ListenerError when one does not start."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="servescope-compare-")))
            yield {side: self._open(side, folder / side, stack) for side in self._sides}

    def await_drained(self, destination: Destination) -> None:
        """Wait until it has answered the requests of the run before, where that is known.

        Those of other clients that last longer than this waits are waited for once.
        """
        side = destination.side
        left = await_drained(destination.unfinished, self._wait, self._lasting[side])
        self._lasting[side] = max(self._lasting[side], left)

    def _open(self, side: Side, rings: Path, stack: ExitStack) -> Destination:
        one = self._sides[side]
        if isinstance(one, Destination):
            return one
        hosted = HostedApp(one.spec, rings, one.folder)
        stack.callback(hosted.close)
        return Destination(
            side, one.label, Target(*hosted.address), hosted, unfinished=hosted.unfinished
        )


def named_sides(named: Mapping[Side, NamedSide], hosting: Hosting) -> Sides:
    """The sides as they were named. Raises AppImportError or UsageError as `HostableApp` does."""
    return Sides({side: _named(side, one, hosting) for side, one in named.items()})


def _named(side: Side, named: NamedSide, hosting: Hosting) -> Destination | AppToHost:
    if not isinstance(named, AppSide):
        return Destination(side, named.label, named.target)
    app = HostableApp(side, named, hosting)
    kind, model = app.spec.app_kind.upper(), app.spec.model.label
    return AppToHost(f"{named.label} ({kind}, {model})", app.spec, app.folder)
