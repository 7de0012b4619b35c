"""An experiment, and the host that carries it out and lends it what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
    from servescope.serving.workers.contender import ContenderProcess
    from servescope.settings import Settings


@dataclass(frozen=True, slots=True)
class TemporaryListener:
    """A listener that is there for an experiment alone, on a free port of the loopback interface.

    `options` are fields of ListenerOptions that differ from those of the other listeners.
    """

    app: str  # as a listener names it
    app_kind: AppKind
    model: ConcurrencyModel
    threads: int = 1  # for a model that has threads
    options: Mapping[str, Any] = field(default_factory=dict)


class ExperimentHost(Protocol):
    """The process that carries an experiment out."""

    @property
    def settings(self) -> Settings:
        """Those of the dashboard."""

    @property
    def text(self) -> str:
        """The text that the person wrote into the setting's `edited`, else the empty text."""

    @property
    def folder(self) -> Path:
        """A folder for files of this experiment; it goes with it."""

    @property
    def rings(self) -> Path:
        """The folder in which whoever records its requests does so, a load generator as well."""

    @property
    def ending(self) -> threading.Event:
        """Set when the dashboard ends: the experiment has to end, too."""

    def spec(self, wanted: TemporaryListener) -> ListenerSpec:
        """The listener with all its options, for whoever starts it by another way."""

    def listener(
        self, wanted: TemporaryListener, *, in_folder: bool = False, captured: int = 0
    ) -> AbstractContextManager[ContenderProcess]:
        """The listener, serving; it ends with the context.

        One at a time. Its app is imported from `folder` with `in_folder`. Its first `captured`
        requests are captured (see `captures`). Raises ListenerError, or LoadRefusedError when it is
        not up in time.
        """

    def captures(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many captured requests of this experiment; the oldest first.

        As `capturing.document` has them. Raises LoadRefusedError when they are not there in time.
        """

    def listening(self, backlog: int) -> AbstractContextManager[socket.socket]:
        """A listening socket on the loopback interface that nobody but the experiment accepts from.

        It does not block, the pages know of it like of a listener, and it ends with the context.
        """

    def span(self) -> AbstractContextManager[None]:
        """Around what is measured: the span that the other pages show of the experiment.

        Like a listener, it is not begun when there is no time left: see `left_s`.
        """

    def left_s(self) -> float:
        """Seconds that the experiment has left. Raises LoadRefusedError when there are none."""


class Experimenting(Protocol):
    """An experiment of some kind: data, and the way to carry it out."""

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Do it, and return what was measured, as JSON has it.

        It ends within a few seconds, after `host.left_s` at the latest, and leaves nothing behind.
        Raises ServescopeError with the reason when it cannot be.
        """
