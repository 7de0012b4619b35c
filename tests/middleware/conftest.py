"""Fixtures: a data folder, what its rings hold, and servers of other people in processes."""

import os
import re
import signal
import threading
import time
from contextlib import closing, suppress

import pytest

from servescope.middleware.process_rings import PROCESS_RINGS
from servescope.recording.detail_reader import DetailReader
from servescope.recording.recorder import DETAIL_SUFFIX, RING_SUFFIX, RINGS
from servescope.recording.ring_reader import RingReader
from servescope.records.requests import Stage
from tests.prepared_interpreter import Command, started
from tests.processes import ROOT, children, eventually

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Recorded:
    """The records that this process wrote into a data folder."""

    def __init__(self, folder):
        self.folder = folder

    def rings(self, suffix=RING_SUFFIX):
        return sorted((self.folder / RINGS).glob(f"*{suffix}"))

    def requests(self):
        """Each record as (listener, route, method, status, flags, received, sent), in order."""
        found = []
        for path in self.rings():
            with closing(RingReader(path)) as reader:
                records = reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records
                found += [
                    (
                        reader.listeners[int(one["listener"])],
                        reader.routes[int(one["route"])],
                        int(one["method"]),
                        int(one["status"]),
                        int(one["flags"]),
                        int(one["bytes_received"]),
                        int(one["bytes_sent"]),
                    )
                    for one in records
                ]
        return found

    def one(self):
        """The only record."""
        (only,) = self.requests()
        return only

    def stages_ms(self):
        """Stages of the only record by name, in ms."""
        (path,) = self.rings()
        with closing(RingReader(path)) as reader:
            (record,) = reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records
            return {stage.name.lower(): float(record["stages_ns"][stage]) / 1e6 for stage in Stage}

    def details(self):
        found = []
        for path in self.rings(DETAIL_SUFFIX):
            with closing(DetailReader(path)) as reader:
                found += reader.drain(0)[0]
        return found


@pytest.fixture
def recorded(tmp_path):
    yield Recorded(tmp_path / "data")
    recorder = PROCESS_RINGS._recorders.pop((tmp_path / "data"), None)
    if recorder is not None:
        recorder.close()


class ForeignServer:
    """A server of somebody else, with the command line by which people start it."""

    def __init__(self, folder, *command):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVESCOPE_")}
        environment |= {"SERVESCOPE_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
        self.lines = []
        self.port = 0
        self.process = started(Command(command, str(ROOT), environment))
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()
        eventually(lambda: self.port or self.process.poll() is not None)
        assert self.port, "".join(self.lines)

    def _follow(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found and not self.port:
                self.port = int(found[1])

    def workers(self):
        return children(self.process.pid)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)

    def kill(self):
        for pid in (*self.workers(), self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        self.process.stdout.close()


@pytest.fixture
def start_server(tmp_path):
    started = []

    def start(*command):
        started.append(ForeignServer(tmp_path / "data", *command))
        return started[-1]

    yield start
    for server in started:
        server.kill()
