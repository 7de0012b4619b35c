"""Real engines for tests: Debian's Prometheus and VictoriaMetrics on a free port, ended by pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.waiting import eventually

PROMETHEUS, VICTORIA_METRICS = "prometheus", "victoria-metrics"
ENGINES = (PROMETHEUS, VICTORIA_METRICS)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servescope/engines"
_STORAGE = "storage:\n  tsdb:\n    out_of_order_time_window: {window}\n"
_SCRAPE = """
scrape_configs:
  - job_name: servescope
    scrape_interval: 1s
    static_configs:
      - targets: ["{target}"]
"""


def program(name):
    """The path of an engine's program: installed, or where scripts/test has unpacked it."""
    found = shutil.which(name) or shutil.which(CACHE / "usr/bin" / name)
    assert found, f"{name} is missing: scripts/test gets it, or as root: apt-get install {name}"
    return found


@dataclass
class RunningEngine:
    """An engine with a folder and a port of its own; `start` again after `end` finds its data."""

    name: str
    folder: Path
    port: int = 0
    options: tuple[str, ...] = ()
    late_window: str = "24h"  # how late Prometheus takes samples; 0s: in order only
    scrapes: str = ""  # host:port whose /metrics it scrapes each second
    takes_writes: bool = True  # whether Prometheus has a remote-write receiver
    process: subprocess.Popen | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def setting(self):
        return f"prometheus+{self.url}"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        scrape = _SCRAPE.format(target=self.scrapes) if self.scrapes else ""
        configuration = self.folder / "prometheus.yml"
        if self.name == PROMETHEUS:
            configuration.write_text(_STORAGE.format(window=self.late_window) + scrape)
            options = [
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ]
            if self.takes_writes:
                options.append("--web.enable-remote-write-receiver")
        else:
            options = [
                f"-storageDataPath={self.folder / 'data'}",
                "-retentionPeriod=100y",
                f"-httpListenAddr=127.0.0.1:{self.port}",
            ]
            if scrape:
                configuration.write_text(scrape)
                options.append(f"-promscrape.config={configuration}")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program(self.name), *options, *self.options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        eventually(self._answers, step=0.01)
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with suppress(OSError):
            return self.get("/api/v1/query?query=1")

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as refused:
            refused.close()  # Python 3.14 warns of one that nobody closes
            raise

    def show(self):
        """Have what was taken shown at once: VictoriaMetrics keeps samples back for a second."""
        if self.name == VICTORIA_METRICS:
            self.get("/internal/force_flush")

    def end(self, number=signal.SIGKILL):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)
