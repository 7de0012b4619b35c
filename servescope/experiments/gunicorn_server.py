"""A real gunicorn that serves a small program of ours, and ends with the experiment."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from servescope.demo import programs
from servescope.experiments.child_command import running
from servescope.experiments.one_connection import LOOPBACK
from servescope.records.temporary_listeners import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.experiments.child_command import ChildCommand
    from servescope.experiments.host import ExperimentHost

STARTED_S: Final = 20.0
_CONFIGURATION: Final = """\
from servescope.middleware.wsgi import ServescopeMiddleware

control_socket_disable = True  # it would be a file in the home folder

def post_worker_init(worker):
    worker.wsgi = ServescopeMiddleware(worker.wsgi, listener={listener!r}, data_dir={folder!r})
"""


def command(workers: int, threads: int = 1) -> list[str]:
    """The command as it is run; settings of the environment are left out."""
    threaded = ["--threads", str(threads)] if threads > 1 else []
    return [
        *("env", "-u", "GUNICORN_CMD_ARGS", sys.executable, "-m", "gunicorn", "app:server"),
        *("--workers", str(workers), *threaded, "--bind", f"{LOOPBACK}:0"),
    ]


@contextmanager
def serving(
    host: ExperimentHost, program: str, workers: int, threads: int = 1
) -> Iterator[tuple[ChildCommand, tuple[str, int]]]:
    """Serve this program of `demo.programs`; the server, and its address once it listens.

    Its workers may not be there yet: they accept as soon as each has imported the program. Raises
    LoadRefusedError when it does not listen in time.
    """
    (host.folder / "app.py").write_text(programs.source(program), "utf-8")
    (host.folder / "gunicorn.conf.py").write_text(
        _CONFIGURATION.format(listener=EXPERIMENT, folder=str(host.settings.data_dir)), "utf-8"
    )
    within_s = min(STARTED_S, host.left_s())
    with running(command(workers, threads), host.folder) as server:
        found = server.await_line(rf"Listening at: http://{LOOPBACK}:(\d+)", within_s)
        yield server, (LOOPBACK, int(found[1]))
