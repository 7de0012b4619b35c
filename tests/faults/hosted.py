"""A listener in a process of its own, for faults; `hosted_listener` is its program."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from servescope.recording.recorder import RING_SUFFIX
from servescope.recording.ring_reader import RECORD_DTYPE, RingReader
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving.listener import GRACE_SECONDS
from servescope.serving.workers.order import WorkerOrder
from tests.processes import children, eventually

ROOT = Path(__file__).parents[2]
APPS = "tests.faults.apps_with_faults:"


class Hosted:
    """The running process, and what it holds and records."""

    def __init__(
        self,
        folder: Path,
        model: ConcurrencyModel,
        kind: AppKind,
        options: dict,
        app: str = "",
        grace_s: float = GRACE_SECONDS,
    ) -> None:
        self.rings = folder
        self.log_file = folder / "stderr"
        app = app or APPS + ("asgi_app" if kind is AppKind.ASGI else "app")
        options = {"threads": 4, "workers": 2, "backlog": 1024, **options}
        spec = ListenerSpec(
            "it", "127.0.0.1", 0, model, kind, app, options=ListenerOptions(**options)
        )
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.hosted_listener", str(folder), str(grace_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        self.process.stdin.write(WorkerOrder(spec, 0, "", []).to_line())
        self.process.stdin.flush()
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    @property
    def pids(self) -> list[int]:
        """The process and its descendants."""
        return [self.process.pid, *children(self.process.pid)]

    def descriptors(self) -> int:
        """Open file descriptors of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Threads of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def memory_kib(self) -> int:
        """Resident memory that is no mapped file (proc(5): RssAnon), in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise AssertionError("proc(5) names RssAnon")

    def allow_descriptors(self, count: int) -> None:
        """Let the process open no more than `count`."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (count, hard))

    def log(self) -> str:
        """The text of its standard error."""
        return self.log_file.read_text()

    def terminate(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and the seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        return code, time.monotonic() - began

    def records(self) -> np.ndarray:
        """All that was recorded, in however many processes."""
        parts = [np.empty(0, RECORD_DTYPE)]
        for path in self.rings.glob(f"*{RING_SUFFIX}"):
            reader = RingReader(path)
            parts.append(reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records)
            reader.close()
        return np.concatenate(parts)

    def close(self) -> None:
        """End it, whatever it does."""
        known = self.pids if self.process.poll() is None else []
        if known:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        # Prefork workers end by themselves once their parent is gone.
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in known[1:]))
