"""Both sides of a comparison, opened anew for each pair.

Two processes of the same code differ: in the layout of their memory, the seed of their hashes, the
order in which they met their requests (T. Kalibera and R. Jones, Rigorous benchmarking in
reasonable time, ISMM 2013). With the same two processes in all pairs that difference would be in
each of them, and would pass for one between the versions. So an app gets a new process for each
pair, and the difference of processes is part of the pairs' noise.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from servescope.load.targets import Target
from servescope.verdicts.hosted_app import HostableApp
from servescope.verdicts.side import AppSide, ServerSide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from servescope.statistics.sequential_verdict import Side
    from servescope.verdicts.hosted_app import HostedApp, Hosting
    from servescope.verdicts.side import NamedSide


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one side is found now."""

    side: Side
    label: str
    target: Target
    hosted: HostedApp | None = None  # None: it runs already
    stages_between: Callable[[float, float], Mapping[str, float]] | None = None
    """Mean milliseconds of each stage between two times in Unix seconds; None: not known."""


class RunningSides:
    """Servers that run already: the same in all pairs, so that their processes are compared."""

    def __init__(self, destinations: Mapping[Side, Destination]) -> None:
        self._destinations = destinations
        self.labels = {side: one.label for side, one in destinations.items()}

    @contextmanager
    def opened(self) -> Iterator[Mapping[Side, Destination]]:
        """Nothing is started, and nothing ended."""
        yield self._destinations


class Sides:
    """The sides as they were named. Raises AppImportError or UsageError as `HostableApp` does."""

    def __init__(self, named: Mapping[Side, NamedSide], hosting: Hosting) -> None:
        self._named: dict[Side, ServerSide | HostableApp] = {}
        self.labels: dict[Side, str] = {}
        for side, one in named.items():
            self.labels[side] = one.label
            if isinstance(one, AppSide):
                app = self._named[side] = HostableApp(side, one, hosting)
                self.labels[side] += f" ({app.spec.app_kind.upper()}, {app.spec.model.label})"
            else:
                self._named[side] = one

    @contextmanager
    def opened(self) -> Iterator[Mapping[Side, Destination]]:
        """Start the apps, and end them at last. Raises ListenerError when one does not start."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="servescope-compare-")))
            yield {side: self._open(side, folder / side, stack) for side in self._named}

    def _open(self, side: Side, rings: Path, stack: ExitStack) -> Destination:
        named, label = self._named[side], self.labels[side]
        if isinstance(named, ServerSide):
            return Destination(side, label, named.target)
        hosted = named.started(rings)
        stack.callback(hosted.close)
        return Destination(side, label, Target(*hosted.address), hosted)
