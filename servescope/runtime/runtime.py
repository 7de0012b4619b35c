"""One dashboard process: open the store, take part in the election, lead when elected."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from servescope.control import Control
from servescope.errors import DataFolderError, ServescopeError, UsageError
from servescope.monkey_patching import threads_patched_by
from servescope.queries.context import ProcessContext, QueryContext
from servescope.recording.recorder import RINGS
from servescope.records.dashboard import Role
from servescope.runtime.election import LOCK_NAME, LeaderLock
from servescope.runtime.leading import Leader, write_leader_event
from servescope.runtime.malloc import bound_freed_memory
from servescope.runtime.reconcile_loop import ROUND_S, ReconcileLoop
from servescope.store.engine.store import PrometheusStore
from servescope.store.opening import check_backend, open_backend
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.tiers import Retention

if TYPE_CHECKING:
    from servescope.settings import Settings
    from servescope.store.base import Store

logger = logging.getLogger(__name__)

JOIN_S: Final = 8.0


def check_threads() -> None:
    """Raise UsageError where the threads that everything runs in are none."""
    library = threads_patched_by()
    if library:
        raise UsageError(
            f"{library} has put greenlets in the place of threads, which the listeners run in: "
            "use a worker class that does not, as gthread of gunicorn.conf.py"
        )


class Runtime:
    """Everything that runs in this process. Making one starts nothing and opens nothing.

    Raises DataFolderError when the data folder cannot be made or written, SettingsError when the
    settings name no store.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.data_dir
        self._pid: int | None = None
        self._starting = threading.Lock()
        self._backend = settings.store.get_secret_value()
        check_backend(self._backend)
        self._check_folder()

    def _check_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise DataFolderError(
                f"the data folder {self.folder} cannot be written: {error.strerror}; "
                "set SERVESCOPE_DATA_DIR to one that can"
            ) from error
        # Another user may have been here before: each worker would stumble over it again.
        for path in (self.folder / name for name in (FILE_NAME, LOCK_NAME, RINGS)):
            if path.exists() and not os.access(path, os.R_OK | os.W_OK):
                raise DataFolderError(
                    f"{path} is not this user's (uid {os.getuid()}) to read and write; "
                    "set SERVESCOPE_DATA_DIR to another folder"
                )

    def start(self) -> None:
        """Open the store and join the election; once in each process, however often called.

        A fork forgets what its parent started: threads do not cross it, and SQLite must not.
        Raises ServescopeError when the store cannot be opened, or there are no threads to run in.
        """
        if self._pid == os.getpid():
            return
        check_threads()
        with self._starting:
            if self._pid == os.getpid():
                return
            bound_freed_memory()
            # Imported modules stay. A full collection that walks over them keeps all threads, those
            # of listeners too, waiting for 0.08 s, and the end of the process takes four of them.
            gc.freeze()
            self._lock = LeaderLock(self.folder)
            self._store: Store = open_backend(
                self._backend,
                self.folder,
                self.settings.store_mib,
                self.settings.instance,
                Retention.from_settings(self.settings),
            )
            self._fleet = self._store if isinstance(self._store, PrometheusStore) else None
            self._control = Control(self.folder)
            self._process = ProcessContext(
                self._store,
                self._control,
                self.settings,
                is_leader=lambda: self._lock.held,
                leader_pid=self._lock.holder,
                problems=self._problems,
                fleet=self._fleet,
            )
            self._stopping = threading.Event()
            self._leader: Leader | None = None
            self._has_begun = False
            self._elected = threading.Event()
            self._thread = threading.Thread(target=self._run, name="runtime", daemon=True)
            self._pid = os.getpid()
            self._thread.start()

    @property
    def context(self) -> QueryContext:
        """This process's context; starts what the process runs when no server hook did."""
        self.start()
        return self._process.home

    def stop(self) -> None:
        """Stop what this process runs, and leave; does nothing where nothing was started."""
        if self._pid != os.getpid():
            return
        self._stopping.set()
        self._thread.join(JOIN_S)
        self._pid = None

    def _run(self) -> None:
        loop = ReconcileLoop(self._reconcile, self._heartbeat)
        try:
            while not self._stopping.wait(ROUND_S if self._elected.is_set() else 0):
                loop.run_once()
                self._elected.set()
        finally:
            self._leave()

    def _problems(self) -> list[str]:
        """The problems of what this process runs, and those of the engine, in whole sentences."""
        problems = self._leader.problems() if self._leader else []
        return problems + (self._fleet.notices() if self._fleet else [])

    def _reconcile(self) -> None:
        if self._leader is not None and self._has_begun:
            self._leader.reconcile()
        elif self._lock.try_take():
            self._lead()
        elif not self._elected.is_set():
            logger.info(
                "process %d follows: process %s leads on %s",
                os.getpid(),
                self._lock.holder() or "another",
                self.folder,
            )

    def _lead(self) -> None:
        """Begin to lead; where that fails half-way, the next round goes on with it."""
        if self._leader is None:
            try:
                written = self._fleet.local if self._fleet else self._store
                self._leader = Leader(self.folder, self.settings, written, self._control)
            except BaseException:
                self._lock.release()
                raise
        self._leader.start()
        self._has_begun = True
        # The process that gunicorn starts in the place of a killed leader may be the first to ask.
        took_over = self._elected.is_set() or self._lock.ended_holder is not None
        write_leader_event(self._control.events, os.getpid(), took_over=took_over)
        logger.info(
            "process %d leads on %s%s",
            os.getpid(),
            self.folder,
            ": it took over" if took_over else "",
        )

    def _heartbeat(self) -> None:
        role = Role.LEADER if self._lock.held else Role.FOLLOWER
        self._control.instances.heartbeat(os.getpid(), role, time.time())

    def _leave(self) -> None:
        try:
            if self._leader is not None:
                self._leader.stop()
                logger.info("process %d leads no longer", os.getpid())
            self._control.instances.remove(os.getpid())
        except ServescopeError as error:
            logger.warning("while stopping: %s", error)
        finally:
            self._lock.release()
            self._control.close()
            self._store.close()
