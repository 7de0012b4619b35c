"""The use that an app may make of its current task, though it has none most of the time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import anyio
import pytest

from servescope.serving.models.asyncio.coroutine_driver import CoroutineDriver

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="none")
LOOPS = [asyncio.new_event_loop]
try:
    import uvloop

    LOOPS.append(uvloop.new_event_loop)
except ImportError:  # optional
    pass


class Call:
    def __init__(self) -> None:
        self.ends: list[BaseException | None] = []
        self.over = asyncio.Event()
        self.is_late = False

    def finish(self, error: BaseException | None) -> None:
        self.ends.append(error)
        self.over.set()

    def finish_late(self, error: BaseException | None) -> None:
        self.is_late = True
        self.finish(error)


class Bench:
    """Drives coroutines from callbacks of a real loop, as a model does."""

    def __init__(self, make_loop) -> None:
        self.loop = make_loop()
        self.late: list[bool] = []  # of each call: whether its coroutine was waited for

    async def _settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    def run(self, *makers) -> list[BaseException | None]:
        """Drive one coroutine after the other; how each ended."""

        async def main():
            driver = CoroutineDriver(self.loop)
            await self._settle()
            ends = []
            for maker in makers:
                call = Call()
                self.loop.call_soon(driver.drive, maker(), call)
                async with asyncio.timeout(5):
                    await call.over.wait()
                await self._settle()
                assert len(call.ends) == 1
                ends += call.ends
                self.late.append(call.is_late)
            assert not driver.tasks
            driver.cancel()
            await self._settle()
            return ends

        return self.loop.run_until_complete(main())


@pytest.fixture(params=LOOPS)
def make_loop(request):
    return request.param


@pytest.fixture
def bench(make_loop):
    bench = Bench(make_loop)
    yield bench
    bench.loop.close()


def test_one_that_does_not_wait_ends_at_once(bench):
    seen = []

    async def app():
        seen.append(asyncio.current_task())

    assert bench.run(app, app) == [None, None]
    assert bench.late == [False, False]
    assert seen[0] is not None
    assert seen[0] is seen[1], "the carrier is used again"


def test_one_that_waits_goes_on_in_the_same_task(bench):
    seen = []

    async def app():
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0.001)
        seen.append(asyncio.current_task())

    assert bench.run(app) == [None]
    assert bench.late == [True]
    assert len(set(map(id, seen))) == 1


def test_before_a_carrier_is_parked_there_is_a_plain_task(bench):
    async def main():
        call = Call()
        CoroutineDriver(bench.loop).drive(asyncio.sleep(0), call)
        await call.over.wait()
        assert call.ends == [None]

    bench.loop.run_until_complete(main())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        BaseException("x"),
    ],
    ids=repr,
)
def test_what_it_raises_is_told_and_the_loop_lives_on(bench, error, waits):
    async def app():
        if waits:
            await asyncio.sleep(0)
        raise error

    async def fine():
        await asyncio.sleep(0)

    assert bench.run(app, fine) == [error, None]


def test_asyncio_timeout(bench):
    seen = []

    async def app():
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        except TimeoutError:
            seen.append("timeout")
        task = asyncio.current_task()
        seen.append(task.cancelling())
        await asyncio.sleep(0)

    async def at_once():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(5)
        seen.append("at once")

    async def not_needed():
        async with asyncio.timeout(5):  # noqa: ASYNC100 - that it does not wait is the case
            seen.append("in time")

    assert bench.run(app, at_once, not_needed, not_needed) == [None] * 4
    assert seen == ["timeout", 0, "at once", "in time", "in time"]


def test_task_groups(bench):
    seen = []

    async def child(number):
        await asyncio.sleep(0.001)
        seen.append(number)

    async def app():
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(child(number))

    async def fail():
        raise ValueError("child")

    async def failing():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(5)

    ends = bench.run(app, failing)
    assert sorted(seen) == [0, 1, 2]
    assert ends[0] is None
    assert isinstance(ends[1], ExceptionGroup)


def test_anyio_cancel_scopes_and_task_groups(bench):
    seen = []

    async def app():
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(5)
        seen.append(scope.cancelled_caught)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 5)
            group.cancel_scope.cancel()
        seen.append("group")
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await anyio.sleep_forever()
        seen.append(await anyio.to_thread.run_sync(lambda: "thread"))

    assert bench.run(app, app) == [None, None]
    assert seen == [True, "group", "thread"] * 2


def test_anyio_without_waiting(bench):
    async def app():
        with anyio.CancelScope():  # noqa: ASYNC100 - the same
            pass

    assert bench.run(app, app, app) == [None] * 3


@pytest.mark.parametrize("waits", [False, True])
def test_context_variables_do_not_pass_to_the_next(bench, waits):
    seen = []

    async def app():
        seen.append(VARIABLE.get())
        VARIABLE.set("mine")
        if waits:
            await asyncio.sleep(0)
        seen.append(VARIABLE.get())

    bench.run(app, app)
    assert seen == ["none", "mine", "none", "mine"]


def test_one_that_cancels_itself_leaves_no_trace(bench):
    async def without_waiting():
        asyncio.current_task().cancel()

    async def then_waits():
        asyncio.current_task().cancel()
        await asyncio.sleep(5)

    async def fine():
        await asyncio.sleep(0.001)
        assert not asyncio.current_task().cancelling()

    ends = bench.run(without_waiting, fine, then_waits, fine, fine)
    assert [type(end) for end in ends] == [
        type(None), type(None), asyncio.CancelledError, type(None), type(None),
    ]  # fmt: skip


@pytest.mark.parametrize("awaited", ["future", "sleep", "nothing"])
def test_a_cancellation_before_the_carrier_has_woken(bench, awaited):
    """The task is cancelled in the very turn in which the app began to wait."""
    seen = []

    async def app():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            if awaited == "future":
                await asyncio.get_running_loop().create_future()
            elif awaited == "sleep":
                await asyncio.sleep(5)
            else:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    [end] = bench.run(app)
    assert isinstance(end, asyncio.CancelledError)
    assert seen == ["cancelled"]


def test_waiting_for_a_task_of_its_own_passes_the_cancellation_on(bench):
    seen = []

    async def child():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            seen.append("child")
            raise

    async def app():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        await asyncio.create_task(child())

    [end] = bench.run(app)
    assert isinstance(end, asyncio.CancelledError)
    assert seen == ["child"]


class Foreign:
    """A coroutine of somebody else's making (Cython's are such): only `await` can run it."""

    def __init__(self, coroutine) -> None:
        self._coroutine = coroutine

    def __await__(self):
        return self._coroutine.__await__()


@pytest.mark.parametrize("waits", [False, True])
def test_whatever_can_be_awaited_is_run(bench, waits):
    seen = []

    async def app():
        if waits:
            await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    assert bench.run(lambda: Foreign(app()), app) == [None, None]
    assert all(seen)


def test_what_cannot_be_awaited_is_an_error_of_the_app(bench):
    async def fine():
        pass

    first, second = bench.run(lambda: None, fine)
    assert isinstance(first, AttributeError)
    assert second is None


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_that_was_told_is_not_kept(bench, waits):
    error = weakref.WeakSet()

    class MineError(Exception):
        pass

    async def app():
        if waits:
            await asyncio.sleep(0)
        fault = MineError()
        error.add(fault)
        raise fault

    async def fine():
        await asyncio.sleep(0)

    ends = bench.run(app, fine)
    assert isinstance(ends[0], MineError)
    del ends
    gc.collect()
    assert not error


def test_a_cancellation_of_all_tasks_costs_no_later_call(bench):
    """The carrier that waits to be borrowed is among them."""

    async def app():
        await asyncio.sleep(0)
        me = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not me and task.get_coro().__name__ == "_carry":
                task.cancel()

    async def fine():
        await asyncio.sleep(0)

    assert bench.run(app, fine, fine, fine) == [None] * 4
    assert bench.late == [True] * 4


def test_a_call_that_is_left_behind_by_its_loop_is_not_told(make_loop):
    """Its coroutine is closed, by a GeneratorExit, when nobody holds it any more."""
    loop = make_loop()
    call = Call()

    async def app():
        await asyncio.get_running_loop().create_future()

    async def main():
        driver = CoroutineDriver(loop)
        await asyncio.sleep(0)
        loop.call_soon(driver.drive, app(), call)
        await asyncio.sleep(0.001)
        [task] = driver.tasks
        task._log_destroy_pending = False
        driver._spare.task._log_destroy_pending = False

    loop.run_until_complete(main())
    loop.close()
    gc.collect()
    assert call.ends == []
