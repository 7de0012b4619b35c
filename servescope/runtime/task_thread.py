"""The life of a task that the leader carries out on a thread of its own, one at a time.

Comparisons, searches for a capacity, verdicts and experiments are such tasks: people ask for one in
the store, the leader begins it within a round, and the next leader marks as failed what a dead one
left.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from servescope.errors import ServescopeError
from servescope.records.load import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

JOIN_S: Final = 4.0
"""How long the end of the process waits for the task under way."""


class TaskStoppedError(Exception):
    """A person, or the end of this process, stopped the task."""


class Task(Protocol):
    """A row of the store."""

    @property
    def id(self) -> int:
        """Its number among those of its kind."""

    @property
    def state(self) -> RunState:
        """How far it is."""


AnyTask = TypeVar("AnyTask", bound=Task)


class TaskThread(Generic[AnyTask]):
    """Carries out the task that `active` returns; a task that failed is not begun again.

    `carry_out` returns when the task is done; it raises TaskStoppedError when the task was stopped,
    and has to look at `ending` while it waits. `end` writes a terminal state and a message.
    """

    def __init__(
        self,
        kind: str,
        active: Callable[[], AnyTask | None],
        carry_out: Callable[[AnyTask], None],
        end: Callable[[AnyTask, RunState, str], None],
    ) -> None:
        self.ending = threading.Event()
        self._kind = kind
        self._active = active
        self._carry_out = carry_out
        self._end = end
        self._thread: threading.Thread | None = None
        self._begun = 0  # id of the last one

    def abandon_orphan(self) -> None:
        """End what a former leader left; its processes ended with it."""
        left = self._active()
        if left is not None and left.state is not RunState.REQUESTED:
            self._end(left, RunState.FAILED, "The process that ran it ended.")

    def reconcile(self) -> None:
        """Begin the task that is requested; called a few times a second."""
        if self.ending.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        active = self._active()
        if active is None:
            return
        if active.id == self._begun:
            # Its end could not be written, say because the disk was full.
            self._write_end(active, RunState.FAILED, "Its end could not be written in time.")
            return
        self._begun = active.id
        self._thread = threading.Thread(
            target=self._run, args=(active,), name=self._kind, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the task under way; its measurements stay."""
        self.ending.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, task: AnyTask) -> None:
        state, message = RunState.FAILED, ""
        try:
            self._carry_out(task)
            state = RunState.DONE
        except TaskStoppedError:
            state = RunState.STOPPED
        except ServescopeError as error:
            message = str(error)
        except Exception:
            # The boundary of the task's thread: a defect ends this one, and its row says so.
            logger.exception("%s %d failed", self._kind, task.id)
            message = "A defect ended it: the log of the dashboard says which."
        self._write_end(task, state, message)

    def _write_end(self, task: AnyTask, state: RunState, message: str) -> None:
        try:
            self._end(task, state, message)
        except ServescopeError as error:
            logger.warning("%s %d: %s", self._kind, task.id, error)
