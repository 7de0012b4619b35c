"""A connection on an event loop whose application runs on a thread: a WSGI app, a folder."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from servescope.errors import ClientGoneError
from servescope.records import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.output import LoopOutput
from servescope.serving.models.asyncio.phases import NEVER_NS, Keeper, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.hosting.conversation import Need


class ThreadedAnswers(LoopOutput):
    """Hands a request to a thread, and takes it back for what its client is slow to read.

    While the phase is THREAD the connection is the thread's: the loop does not even look, no
    deadline runs, and a close only breaks it off. `take_back` makes it the loop's again.
    """

    __slots__ = ("_is_reading", "_keeper")

    def prepare(self, keeper: Keeper) -> None:
        """Belong to a model."""
        self.prepare_output(keeper.loop)
        self._keeper = keeper
        self._is_reading = False

    @abstractmethod
    def take_arrived(self) -> None:
        """Read once, and do what follows from it; a fault costs this connection only."""

    @abstractmethod
    def carry_out(self, need: Need | None) -> None:
        """Do what the conversation needs."""

    def read_on(self) -> None:
        """Let the loop tell when there is something to read."""
        if not self._is_reading and not self.is_closed:
            self._is_reading = True
            self._loop.add_reader(self.descriptor, self.take_arrived)

    def read_anew(self) -> None:
        """Read on after a part of something.

        A reset may have come with the data. asyncio would tell of it again; uvloop closes the poll
        handle of a descriptor once it has told of an error (`UVPoll._fatal_error`), and only a new
        one tells of what is left.
        """
        self._pause_reading()
        self.read_on()

    def _pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self.descriptor)

    def disown(self) -> None:
        """Leave the socket to the parent, unwatched (see Connection)."""
        self._is_reading = self._is_writing = False
        super().disown()

    def _run_on_thread(self, act: Callable[[], None]) -> None:
        self.phase = Phase.THREAD
        self.deadline_ns = NEVER_NS
        self._pause_reading()
        self._stop_writing()
        self._keeper.run_on_thread(self, act)

    def _answer(self) -> None:
        self.conversation.run(self)

    def _send_file_part(self) -> None:
        try:
            self.send_unsent()
        except ClientGoneError:
            self.break_off(RequestFlag.ABORTED)

    def take_back(self) -> None:
        """The thread has done what it was given; from here on the connection is the loop's."""
        self.phase = Phase.WRITING
        if self.unsent is None:
            self.record_if_not_yet()
            self.carry_out(self.conversation.finish_cycle(now_ns()))
            return
        self.deadline_ns = now_ns() + self._write_timeout_ns
        self._write_on()

    def abandon(self) -> None:
        """The loop ended before it could take the connection back: close it."""
        self.phase = Phase.WRITING
        self.close()

    def _continue_unsent(self) -> None:
        """The client takes more of a response whose end is known."""
        if self.unsent is not None and self.unsent.file is not None:
            self._run_on_thread(self._send_file_part)  # a disk must not hold up the loop
            return
        try:
            self.send_unsent()
        except ClientGoneError:
            self.break_off(RequestFlag.ABORTED)
            self.close()
            return
        if self.unsent is None:
            self._stop_writing()
            self.carry_out(self.conversation.finish_cycle(now_ns()))
