"""The model `asyncio`: one event loop on a thread of its own.

Theory of operation. The loop (uvloop's where it is installed) tells of sockets; each connection is
a `LoopConnection`, which drives the same Conversation as every model. An ASGI app runs on the loop,
with its lifespan around all requests; a WSGI app or a folder runs on a few threads, so that what
waits there holds up nobody. All state belongs to the loop's thread; `start`, `stop` and `load` are
for any.

The loop is the app's as well, and it lives through what an app does to it: a background task or a
callback that raises SystemExit, a call of `loop.stop`, the cancellation of all tasks.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from asyncio import tasks as asyncio_tasks
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import ListenerError
from servescope.forked_child import end_forked_child
from servescope.hosting.asgi.host import AsgiHost
from servescope.hosting.asgi.lifespan import Lifespan, LifespanState
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.serving.accept_queue import AcceptQueue
from servescope.serving.acceptor import Acceptor
from servescope.serving.connection import left_by_clients, now_ns, requests_in_stage
from servescope.serving.model import Assignment, Load, sweep_seconds
from servescope.serving.models.asyncio.asgi_handler import LEAVING_NS, AsgiHandler
from servescope.serving.models.asyncio.connection import LoopConnection
from servescope.serving.models.asyncio.coroutine_driver import CoroutineDriver
from servescope.serving.models.asyncio.thread_handler import ThreadHandler
from servescope.serving.models.asyncio.write_batch import WriteBatch
from servescope.serving.worker_threads import WorkerThreads
from servescope.sockets.cpu_affinity import pin_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from servescope.hosting.asgi.http import HttpCall
    from servescope.hosting.asgi.websocket import WebSocketCall
    from servescope.serving.models.asyncio.connection import RequestHandler

STARTUP_S: Final = 10.0
"""How long an app may take to start before the listener gives up."""

SHUTDOWN_S: Final = 0.5
"""How long its shutdown may take at least, when the grace is used up."""

CANCEL_S: Final = 0.3
"""How long calls that were cancelled at the end of the grace may take to end."""

_STOP_POLL_S: Final = 0.02
_NS: Final = 1_000_000_000
_unregister_task: Callable[[Any], None] = asyncio_tasks._unregister_task  # noqa: SLF001 - as documented in "Extending asyncio"
_log = UnfailingLogger(__name__)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop: uvloop's where it is installed."""
    if find_spec("uvloop") is not None:
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def leave_readiness_to_parent(loop: asyncio.AbstractEventLoop) -> None:
    """Give a loop, in a forked child, an epoll set of its own in place of the one it shares.

    Else each change it makes, closing what it watches among them, is made in its parent's.
    """
    told: Any = loop  # neither loop tells of its set in public
    is_uvloop = hasattr(told, "_get_backend_id")
    shared = told._get_backend_id() if is_uvloop else told._selector.fileno()  # noqa: SLF001
    with select.epoll() as own:
        os.dup2(own.fileno(), shared, inheritable=False)


class AsyncioLoop:
    """Serves an assignment; see `serving.model.Model`. It is the LoopOwner of its connections.

    A deadline is noticed at the latest an eighth of the shortest configured one, or one second,
    after it has passed.
    """

    def __init__(
        self,
        assignment: Assignment,
        make_loop: Callable[[], asyncio.AbstractEventLoop] = new_loop,
    ) -> None:
        self._assignment = assignment
        self._name = assignment.site.name
        options = assignment.options
        application = assignment.site.application
        self.host = application if isinstance(application, AsgiHost) else None
        self.body_ns = assignment.site.deadlines.body_ns
        self.is_stopping = False
        self.loop = make_loop()
        self.batch = WriteBatch(self.loop.call_soon)
        self.driver: CoroutineDriver
        self._acceptor = Acceptor(assignment, partial(LoopConnection, self))
        self._queue = AcceptQueue(
            assignment,
            self._acceptor,
            lambda descriptor: self.loop.add_reader(descriptor, self._accept_some),
            self.loop.remove_reader,
        )
        self._connections: set[LoopConnection] = set()
        self._departed: dict[HttpCall | WebSocketCall, int] = {}  # without a client; until when
        self._returned: deque[ThreadHandler] = deque()  # threads have done their part for these
        self._is_over = False  # the grace has passed: no request is begun any more
        self._workers = WorkerThreads(
            self._name, 0 if self.host else options.threads, options.pin_core
        )
        self._sweep_s = sweep_seconds(options)
        self._grace_s = 0.0
        self._stop_asked: asyncio.Event
        self._is_up = threading.Event()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._serve, name=f"{self._name}-loop", daemon=True)

    def start(self) -> None:
        """Begin to accept, once the app is up; see `Model`.

        Raises ListenerError when the app says that it cannot start, or takes too long; then the
        listening socket is closed.
        """
        self._workers.start()
        self._thread.start()
        self._is_up.wait()
        if self._failure is not None:
            self._thread.join(SHUTDOWN_S)
            self._workers.stop(0)
            self._assignment.listening.close()
            raise ListenerError(self._failure)

    def retire(self) -> None:
        """Leave the accept queue to somebody else; see `Model`."""
        self._assignment.site.draining = True
        self.loop.call_soon_threadsafe(self._queue.leave)

    def stop(self, grace_seconds: float) -> None:
        """Stop accepting, finish what is in flight, end the threads; bounded by the grace."""
        self._assignment.site.draining = True
        self._grace_s = grace_seconds
        self.loop.call_soon_threadsafe(self._stop_asked.set)
        self._thread.join(grace_seconds + 1.0)
        self._is_over = True
        self._workers.stop(0.2)
        if self._thread.is_alive():
            # The app holds the loop itself. The thread is a daemon; its clients need not wait.
            _log.warning("listener %s: the app holds the event loop", self._name)
            for connection in list(self._connections):
                connection.abort()
            self._assignment.listening.close()

    def disown(self) -> None:
        """Let go, in a forked child, of what is the parent's; see `Model`."""
        self._assignment.site.is_left_to_parent = True
        if not self.loop.is_closed():
            leave_readiness_to_parent(self.loop)
        for connection in self._connections:
            connection.disown()
        if threading.current_thread() is self._thread:  # it was forked on the loop
            self.driver.is_left_to_parent = True
            self.loop.call_soon(end_forked_child)

    def load(self) -> Load:
        """How busy it is; threads are those of an app that runs on threads."""
        connections = list(self._connections)  # one step under the GIL
        busy = sum(connection.is_busy for connection in connections)
        websocket = replace(self.host.traffic) if self.host is not None else None
        return Load(
            len(connections),
            self._workers.busy,
            self._workers.queued,
            busy,
            websocket=websocket,
            in_stage=requests_in_stage(connections),
            left_connections=left_by_clients(connections),
            accepted=self._acceptor.accepted,
            turned_away=self._acceptor.turned_away,
            has_request_threads=self.host is None,
        )

    # The loop's thread.

    def _serve(self) -> None:
        pin_this_thread(self._assignment.options.pin_core)
        loop = self.loop
        try:
            self._run(self._live())
            self._run(loop.shutdown_asyncgens())
        except Exception as error:  # noqa: BLE001 - the thread's boundary: else it would end without a word
            _log.exception("listener %s: the event loop failed", self._name)
            if not self._is_up.is_set():
                self._failure = f"the event loop failed: {error}"
        finally:
            self._is_up.set()
            loop.close()
            self._abandon_returned()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the loop until this is done, whatever the app's tasks and callbacks do meanwhile.

        asyncio ends `run_forever` for SystemExit and KeyboardInterrupt (a signal's never comes to
        this thread), and an app may end it by `stop`. The loop has lost nothing then: what is
        scheduled goes on when it is run again.
        """
        loop, name = self.loop, self._name
        task = loop.create_task(coroutine)
        # `asyncio.all_tasks` is for the app: it may cancel them all, which is not meant for us.
        _unregister_task(task)
        task.add_done_callback(lambda _: loop.stop())
        while not task.done():
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                _log.error(
                    "listener %s: a task or a callback of the application failed",
                    name,
                    exc_info=error,
                )
            else:
                if not task.done():
                    _log.error(
                        "listener %s: the application stopped the event loop, which goes on", name
                    )
        task.result()

    async def _live(self) -> None:
        self._stop_asked = asyncio.Event()
        self.driver = CoroutineDriver(self.loop)
        lifespan = None
        if self.host is not None:
            lifespan = Lifespan(self.host, self._name, self.loop.create_future)
            running = asyncio.create_task(self._run_lifespan(self.host, lifespan))
            self._failure = await _startup_failure(lifespan)
        if self._failure is None:
            self._queue.watch()
            self.loop.call_later(self._sweep_s, self._sweep)
            self._is_up.set()
            await self._stop_asked.wait()
            await self._drain()
        self.driver.cancel()
        if lifespan is not None:
            await self._end_lifespan(lifespan, running)

    async def _run_lifespan(self, host: AsgiHost, lifespan: Lifespan) -> None:
        try:
            await host.app(lifespan.scope, lifespan.receive, lifespan.send)
        except BaseException as error:
            # The app's boundary: it may know no lifespan, or raise SystemExit, which would end the
            # loop. A task that was left behind is closed with its loop: no failure of the app.
            if isinstance(error, GeneratorExit) and asyncio.current_task(self.loop) is None:
                raise
            lifespan.finish(error)
        else:
            lifespan.finish(None)

    async def _end_lifespan(self, lifespan: Lifespan, running: asyncio.Task[None]) -> None:
        left_s = max(self._grace_s - self._used_s, SHUTDOWN_S) if self._failure is None else 0.0
        try:
            async with asyncio.timeout(left_s):
                await lifespan.stop()
        except TimeoutError:
            _log.warning("listener %s: the app's shutdown took too long", self._name)
        running.cancel()
        await asyncio.wait([running, *self.driver.tasks.values()], timeout=CANCEL_S)

    _used_s = 0.0  # of the grace

    # See LoopOwner.

    def request_handler(self, connection: LoopConnection) -> RequestHandler:
        """Make the handler of a connection's requests."""
        if self.host is not None:
            return AsgiHandler(connection, self.host, self.driver)
        return ThreadHandler(connection, self._run_on_thread)

    def _run_on_thread(self, handler: ThreadHandler, act: Callable[[], None]) -> None:
        """Do something on a thread, then let the loop take the connection back."""

        def work() -> None:
            try:
                if not self._is_over:
                    act()
            except BaseException:  # noqa: BLE001 - a worker's boundary: it costs its connection only
                _log.exception("listener %s: a request failed", self._name)
            self._returned.append(handler)
            try:
                self.loop.call_soon_threadsafe(self._take_back)
            except RuntimeError:  # the loop has closed: the grace was over before the app was
                self._abandon_returned()

        self._workers.submit(work)

    def _take_back(self) -> None:
        with suppress(IndexError):
            handler = self._returned.popleft()
            self.guard(handler.connection, handler.take_back)

    def _abandon_returned(self) -> None:
        """Close what threads gave back and no loop takes any more; each is taken by one caller."""
        with suppress(IndexError):
            while True:
                handler = self._returned.popleft()
                self.guard(handler.connection, handler.abandon)

    def guard(self, connection: LoopConnection, act: Callable[[], None]) -> None:
        """Do something with a connection; a fault costs this connection only."""
        try:
            act()
        except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            self.give_up(connection)

    def give_up(self, connection: LoopConnection) -> None:
        """Log the exception at hand, a fault of ours, and close its connection."""
        _log.exception("listener %s: a connection failed", self._name)
        connection.close()

    def cancel_if_unaware(self, call: HttpCall | WebSocketCall) -> None:
        """The client of a call has gone: cancel the call unless it knows by `LEAVING_NS` later."""
        if not call.is_unaware:
            return
        self._departed[call] = now_ns() + LEAVING_NS
        task = self.driver.tasks.get(call)
        if task is not None:  # most end at once, and give up what they hold
            task.add_done_callback(lambda _: self._departed.pop(call, None))

    def _cancel_the_unaware(self, now: int) -> None:
        for call, due_ns in list(self._departed.items()):
            if now >= due_ns:
                del self._departed[call]
                if call.is_unaware:
                    call.note_cancelled()
                    self.driver.cancel_call(call)

    def forget(self, connection: LoopConnection) -> None:
        """The connection is closed."""
        self._connections.discard(connection)

    # Accepting and deadlines.

    def _accept_some(self, *, is_last: bool = False) -> None:
        for connection in self._queue.take(is_last=is_last):
            self.guard(connection, partial(self._welcome, connection))

    def _welcome(self, connection: LoopConnection) -> None:
        has_room = self._acceptor.has_room(connection, len(self._connections))
        if connection.is_closed:
            return
        self._connections.add(connection)
        if has_room:
            connection.on_readable()  # its request is often here already
        else:
            connection.refuse()

    def _sweep(self) -> None:
        """See to passed deadlines."""
        now = now_ns()
        if not self.is_stopping:
            self.loop.call_later(self._sweep_s, self._sweep)
            self._queue.resume(now)
        for connection in list(self._connections):
            if connection.is_overdue(now):
                self.guard(connection, connection.expire)
        self._look_for_clients_that_left()
        self._cancel_the_unaware(now)

    def _look_for_clients_that_left(self) -> None:
        """Ask the kernel for those that the loop does not report."""
        unread = {each.descriptor: each for each in self._connections if each.is_unread}
        if not unread:
            return
        poll = select.poll()
        for descriptor in unread:
            poll.register(descriptor, select.POLLRDHUP)
        for descriptor, events in poll.poll(0):
            connection = unread[descriptor]
            self.guard(connection, partial(connection.notice, events))

    # Stopping.

    def _stop_what_is_idle(self) -> None:
        for connection in list(self._connections):
            self.guard(connection, connection.begin_stop)
        self._sweep()

    async def _outside_of_a_task(self, act: Callable[[], object]) -> None:
        """Do something that may call the app: its coroutine is driven where no task is current."""
        done = self.loop.create_future()

        def step() -> None:
            try:
                act()
            finally:
                done.set_result(None)

        self.loop.call_soon(step)
        await done

    async def _drain(self) -> None:
        """Serve what has come, let it finish within the grace, break off the rest."""
        loop = self.loop
        began = loop.time()
        await self._outside_of_a_task(partial(self._accept_some, is_last=True))
        self.is_stopping = True
        self._queue.leave()
        while self._connections or self.driver.tasks:
            if loop.time() - began >= self._grace_s:
                break
            await self._outside_of_a_task(self._stop_what_is_idle)
            await asyncio.sleep(_STOP_POLL_S)
        self._used_s = loop.time() - began
        self._is_over = True
        for connection in list(self._connections):
            connection.was_cut_off = True
            self.guard(connection, connection.close)


async def _startup_failure(lifespan: Lifespan) -> str | None:
    """Wait until the app is up; why it is not, None when it is."""
    try:
        async with asyncio.timeout(STARTUP_S):
            await lifespan.started()
    except TimeoutError:
        return f"the app did not start within {STARTUP_S:.0f} s"
    if lifespan.state is LifespanState.FAILED:
        return f"the app failed to start: {lifespan.message or 'it does not say why'}"
    return None
