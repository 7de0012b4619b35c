"""How gunicorn runs Servescope: `gunicorn app:server` reads this by itself.

Two workers and more may run: one of them leads (listeners, collector, load), all answer pages.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from servescope.addresses import host_and_port
from servescope.environment import whole_number
from servescope.errors import ServescopeError, UsageError
from servescope.forked_child import close_in_children, restore_signals_in_children
from servescope.runtime import Runtime
from servescope.settings import load_settings
from servescope.sockets.binding import check_address

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker

MOST_WORKERS = 1_000


def _end(error: ServescopeError, status: int | None = None) -> NoReturn:
    """End this process with one line that says why."""
    sys.stderr.write(f"servescope: {error}\n")
    raise SystemExit(error.exit_status if status is None else status)


try:
    _settings = load_settings()
    _port = whole_number("PORT", 0, 65_535)
    _workers = whole_number("WEB_CONCURRENCY", 1, MOST_WORKERS)
    Runtime(_settings)  # what cannot run is told once, here, and not by each worker again and again
    check_address("SERVESCOPE_HOST", _settings.host)
except ServescopeError as error:
    _end(error)

# A platform that hands out $PORT sends its traffic from outside; without it we stay on loopback.
_from_platform = _port is not None and "host" not in _settings.model_fields_set
_host = "0.0.0.0" if _from_platform else _settings.host  # noqa: S104 - see above
bind = host_and_port(_host, _settings.port if _port is None else _port)
worker_class = "gthread"
workers = _workers or 2
threads = 8
graceful_timeout = 5
control_socket_disable = True

# Gunicorn would believe a loopback peer's X-Forwarded-Proto and SCRIPT_NAME unasked. Whose word
# counts is one setting (SERVESCOPE_TRUSTED_PROXIES), read by components/client.py.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}


def on_starting(server: Arbiter) -> None:
    """Refuse, before anything is bound, a worker class that cannot run what a worker runs."""
    if not issubclass(server.worker_class, SyncWorker | ThreadWorker):
        _end(UsageError(_why_not(server.cfg.worker_class_str)))


def _why_not(worker_class: str) -> str:
    """The sentence about a worker class other than gunicorn's own two with real threads."""
    return (
        f"gunicorn's worker class {worker_class} cannot run Servescope, a WSGI app whose listeners "
        "run in threads beside it: leave -k out (gunicorn.conf.py chooses gthread), or use sync"
    )


def post_worker_init(worker: Worker) -> None:
    """Join the election, after the fork and in the worker only."""
    import app

    _log_beside(worker)
    _keep_from_children(worker)
    try:
        app.runtime.start()
    except ServescopeError as error:
        _end(error, Arbiter.WORKER_BOOT_ERROR)  # else gunicorn would try again for ever


def _log_beside(worker: Worker) -> None:
    """Have our loggers write into gunicorn's error log, in its form (with the pid) and level.

    A logging configuration of the operator's own says itself where they write.
    """
    settings = worker.cfg.settings
    if any(settings[name].get() for name in ("logconfig", "logconfig_dict", "logconfig_json")):
        return
    ours, theirs = logging.getLogger("servescope"), worker.log.error_log
    ours.handlers = list(theirs.handlers)
    ours.setLevel(theirs.level)
    ours.propagate = False


def _keep_from_children(worker: Worker) -> None:
    """Have children that a hosted app forks inherit neither gunicorn's sockets nor its handlers."""
    for listening in worker.sockets:
        listening.sock.set_inheritable(False)
        close_in_children(listening.sock)
    restore_signals_in_children(
        number
        for number in signal.valid_signals()
        if getattr(signal.getsignal(number), "__self__", None) is worker
    )


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Stop what this worker runs: its listeners free their ports, its load run ends."""
    import app

    del server, worker
    app.runtime.stop()
