"""One process's part: open the store, take part in the election, lead when elected."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from servescope.control import Control
from servescope.errors import DataFolderError, ServescopeError, UsageError
from servescope.load.plan import check
from servescope.monkey_patching import threads_patched_by
from servescope.queries.context import ProcessContext, QueryContext
from servescope.recording.recorder import RINGS
from servescope.runtime.comparisons import check_comparison
from servescope.runtime.election import LOCK_NAME, LeaderLock
from servescope.runtime.leading import Leader, announce
from servescope.runtime.malloc import bound_freed_memory
from servescope.store.engine.store import PrometheusStore
from servescope.store.opening import check_backend, open_backend
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.tiers import Retention

if TYPE_CHECKING:
    from servescope.comparison import ComparisonPlan
    from servescope.records import LoadPlan
    from servescope.settings import Settings
    from servescope.store.base import Store

logger = logging.getLogger(__name__)

ROUND_S: Final = 0.2
"""How often the election is held and what people want is held against what is."""

HEARTBEAT_S: Final = 1.0
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
            self._elected = threading.Event()
            self._thread = threading.Thread(target=self._live, name="runtime", daemon=True)
            self._pid = os.getpid()
            self._thread.start()

    @property
    def context(self) -> QueryContext:
        """This process's context; starts the process's part when no server hook did."""
        self.start()
        return self._process.home

    def stop(self) -> None:
        """Stop what this process runs, and leave; does nothing where nothing was started."""
        if self._pid != os.getpid():
            return
        self._stopping.set()
        self._thread.join(JOIN_S)
        self._pid = None

    def request_load(self, plan: LoadPlan) -> int:
        """Ask the leader for a load run; return its id.

        Raises LoadRefusedError when the plan is out of bounds or a run is under way.
        """
        control = self.context.process.control
        check(
            plan,
            control.listeners.statuses(),
            self.settings.load_max_rate,
            self.settings.load_max_seconds,
        )
        return control.load_runs.request(plan, time.time()).id

    def request_comparison(self, plan: ComparisonPlan) -> int:
        """Ask the leader for a comparison; return its id.

        Raises LoadRefusedError when the plan is out of bounds or any load is under way.
        """
        check_comparison(plan, self.settings)
        return self.context.process.control.comparisons.request(plan, time.time()).id

    def stop_load(self, run_id: int) -> None:
        """Ask the leader to stop a load run."""
        self.context.process.control.load_runs.request_stop(run_id)

    def _live(self) -> None:
        next_beat, trouble = 0.0, ""
        try:
            while not self._stopping.wait(ROUND_S if self._elected.is_set() else 0):
                try:
                    self._round()
                    if time.monotonic() >= next_beat:
                        self._beat()
                        next_beat, trouble = time.monotonic() + HEARTBEAT_S, ""
                except ServescopeError as error:
                    next_beat = time.monotonic() + HEARTBEAT_S
                    if str(error) != trouble:  # else a line each round for as long as it lasts
                        logger.warning("%s", error)
                    trouble = str(error)
                except Exception:
                    # The boundary of the runtime's loop: a defect is logged, the process goes on.
                    logger.exception("the runtime failed in this round")
                self._elected.set()
        finally:
            self._leave()

    def _problems(self) -> list[str]:
        """What a person should know of this process's part, and of the engine."""
        told = self._leader.problems() if self._leader else []
        return told + (self._fleet.notices() if self._fleet else [])

    def _round(self) -> None:
        if self._leader is not None:
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
        try:
            written = self._fleet.local if self._fleet else self._store
            leader = Leader(self.folder, self.settings, written, self._control)
        except BaseException:
            self._lock.release()
            raise
        self._leader = leader
        leader.start()
        took_over = self._elected.is_set()
        announce(self._control, os.getpid(), took_over=took_over)
        logger.info(
            "process %d leads on %s%s",
            os.getpid(),
            self.folder,
            ": it took over" if took_over else "",
        )

    def _beat(self) -> None:
        role = "leader" if self._lock.held else "follower"
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
