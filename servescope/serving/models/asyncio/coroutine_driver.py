"""Running an app's coroutine on the event loop, without a task while it does not wait.

Theory of operation. Most calls of an ASGI app never wait: they send and return. A task for each
would cost more than the rest of the request. So the coroutine is driven directly, inside a callback
of the loop. But asyncio.timeout, TaskGroup and anyio need `current_task()`: a carrier, a task that
is parked on a future, is entered as the current one meanwhile (`_enter_task` and `_leave_task` are
asyncio's documented doors for that, "Extending asyncio"). When the app waits after all, it has
yielded a future; the carrier adopts the coroutine and that future, wakes up and goes on from there
as any task, cancellation included. It ends with the app, and a new carrier is parked.

A coroutine that ends by itself does so with StopIteration, which costs as much as running it. So
it is run inside a generator, which takes one after the other and tells of the end by a value.

A carrier whose app never waited serves the next call, unless that app left a trace on it: a
cancellation, or a changed context variable. While no carrier is parked, a call gets a plain task.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks as asyncio_tasks
from contextvars import copy_context
from types import CoroutineType
from types import coroutine as from_generator
from typing import TYPE_CHECKING, Any, Final, Protocol

from servescope.forked_child import end_forked_child

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    AppCoroutine = Coroutine[Any, Any, None]

_enter_task: Callable[[Any, Any], None] = asyncio_tasks._enter_task  # noqa: SLF001 - see the module's head
_leave_task: Callable[[Any, Any], None] = asyncio_tasks._leave_task  # noqa: SLF001 - the same


class Driven(Protocol):
    """The owner of a driven coroutine."""

    def finish(self, error: BaseException | None) -> None:
        """The coroutine has returned, or raised, while `drive` ran it. Raises nothing."""

    def finish_late(self, error: BaseException | None) -> None:
        """The same after it was waited for: `drive` has returned long since."""


class _Failure:
    """How a coroutine failed; the error is taken once, and none is left here."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error


_OVER: Final = object()
"""A coroutine has returned."""


@from_generator
def _runs(adopted: list[tuple[Any, Driven]]) -> Generator[Any, Any, None]:
    """Run each coroutine it is sent; yield what that waits for, then `_OVER` or a `_Failure`.

    Once `adopted` holds something, it ends with the coroutine at hand, and as that one ends.
    """
    coroutine = yield None
    while True:
        failure = None
        try:
            steps: Any = coroutine if type(coroutine) is CoroutineType else coroutine.__await__()
            yield from steps
        except BaseException as error:
            if adopted:
                raise
            failure = _Failure(error)
        if adopted:
            return
        coroutine = yield failure or _OVER


class _Carrier:
    """A task that waits to be borrowed."""

    __slots__ = ("_adopted", "_runs", "context", "parked", "pristine", "run", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.context = copy_context()
        self.pristine = self.context.copy()
        self.parked: asyncio.Future[None] | None = None
        """The object it waits on; None before its first step, when it cannot be borrowed yet."""
        self._adopted: list[tuple[Any, Driven]] = []
        self._runs = _runs(self._adopted)
        self._runs.send(None)
        self.run = self._runs.send
        self.task = loop.create_task(self._carry(loop), context=self.context)

    def adopt(self, yielded: Any, call: Driven) -> None:
        """Go on with the coroutine that has yielded from `run` while this carrier was entered."""
        self._adopted.append((yielded, call))
        if self.parked is not None and not self.parked.done():
            self.parked.set_result(None)

    async def _carry(self, loop: asyncio.AbstractEventLoop) -> None:
        self.parked = loop.create_future()
        cancelled: asyncio.CancelledError | None = None
        try:
            await self.parked
        except asyncio.CancelledError as error:
            if not self._adopted:
                self.parked = None  # an app has cancelled all tasks there are: none to borrow
                raise
            cancelled = error  # before we got on with it: the app is who has to hear that
        if not self._adopted:
            return
        [(yielded, call)] = self._adopted
        await _finished(_rest_of(self._runs, yielded, cancelled), call, loop)


@from_generator
def _rest_of(
    running: Generator[Any, Any, None], yielded: Any, cancelled: asyncio.CancelledError | None
) -> Generator[Any, Any, None]:
    """Run on what has yielded; `cancelled` is what its task was cancelled with."""
    if cancelled is not None and not _cancel(yielded):
        try:
            yielded = running.throw(cancelled)
        except StopIteration:
            return
    while True:
        try:
            yield yielded
        except GeneratorExit:
            running.close()
            raise
        except BaseException as error:  # noqa: BLE001 - passed on, as `yield from` does
            try:
                yielded = running.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from running


def _cancel(yielded: Any) -> bool:
    """Cancel what the coroutine waits for, as Task.cancel does; False when that can't be."""
    cancel = getattr(yielded, "cancel", None)
    return cancel is not None and bool(cancel())


async def _finished(
    running: Awaitable[None], call: Driven, loop: asyncio.AbstractEventLoop
) -> None:
    """Run to the end and report it. A task that raised SystemExit would end its loop."""
    try:
        await running
    except BaseException as error:
        # The app's boundary. A GeneratorExit may be ours, too: a task that was left behind is
        # closed when its loop is gone, and then no task runs.
        if isinstance(error, GeneratorExit) and asyncio.current_task(loop) is None:
            raise
        call.finish_late(error)
    else:
        call.finish_late(None)


class CoroutineDriver:
    """Drives the calls of one loop; used on that loop's thread only, and not inside a task."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare = _Carrier(loop)
        self.tasks: dict[Driven, asyncio.Task[None]] = {}
        """Tasks of the calls that wait."""
        self.is_left_to_parent = False
        """In a child that an app forked: its next wait ends it."""

    def drive(self, coroutine: AppCoroutine, call: Driven) -> None:
        """Run the coroutine until it waits or ends; its end is reported to the call."""
        spare = self._spare
        parked, task = spare.parked, spare.task
        if parked is None:
            self._keep(call, self._loop.create_task(_finished(coroutine, call, self._loop)))
            if task.done():
                self._spare = _Carrier(self._loop)
            return
        loop = self._loop
        _enter_task(loop, task)
        try:
            outcome = spare.context.run(spare.run, coroutine)
        except BaseException:  # not the app's, which `spare.run` would tell of: that has ended now
            self._spare = _Carrier(loop)
            raise
        finally:
            try:
                _leave_task(loop, task)
            except RuntimeError:  # from Python 3.14 on a forked child has no current task any more
                if not self.is_left_to_parent:
                    raise
        error = None
        if outcome is not _OVER:
            if not isinstance(outcome, _Failure):
                if self.is_left_to_parent:
                    end_forked_child()
                spare.adopt(outcome, call)
                self._keep(call, task)
                self._spare = _Carrier(loop)
                return
            error, outcome.error = outcome.error, None
        # Contexts that share their content compare at once, whatever they hold. A cancellation of
        # the task is one of what it waits on.
        if parked.done() or spare.context != spare.pristine:
            task.cancel()  # that app left a trace on it
            self._spare = _Carrier(loop)
        call.finish(error)

    def _keep(self, call: Driven, task: asyncio.Task[None]) -> None:
        self.tasks[call] = task

        def forget(_task: asyncio.Task[None]) -> None:
            del self.tasks[call]

        task.add_done_callback(forget)

    def cancel_call(self, call: Driven) -> None:
        """Cancel a call that waits; without effect on one that has ended."""
        task = self.tasks.get(call)
        if task is not None:
            task.cancel()

    def cancel(self) -> None:
        """Cancel all calls that wait, and the spare carrier."""
        self._spare.task.cancel()
        for task in list(self.tasks.values()):
            task.cancel()
