"""A WSGI and an ASGI app that start children in every way Python has; each path is one of them."""

import ast
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path


def square(number):
    return number * number


def sleep_for_ever():
    while True:
        time.sleep(60)


def pool(start_method, size=2):
    with multiprocessing.get_context(start_method).Pool(size) as workers:
        return workers.map(square, range(4))


def forked(in_child):
    """The exit status of a child that does this; what it does may return."""
    pid = os.fork()
    if pid == 0:
        in_child()
        return None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleeping_child():
    pid = os.fork()
    if pid == 0:
        sleep_for_ever()
    return pid


def multiprocessing_child(**options):
    process = multiprocessing.get_context("fork").Process(target=sleep_for_ever, **options)
    process.start()
    return process.pid


def started_program(**options):
    # No handle is kept: who asked ends it by its pid.
    process = subprocess.Popen(["sleep", "600"], **options)
    process.returncode = 0
    return process.pid


def daemonless_thread():
    threading.Thread(target=sleep_for_ever, name="app-forever").start()
    return os.getpid()


def fail():
    raise ValueError("in the child, on purpose")


def inherited():
    """Resources a forked child inherits: ports, epoll interest lists, flock(2)s, handlers."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, repr(inventory()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        found = told.read().decode()
    os.waitpid(pid, 0)
    return ast.literal_eval(found)


def name_of(handler):
    return handler.name if isinstance(handler, signal.Handlers) else handler.__name__


def inventory():
    ports, watched, locks = [], [], []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            kind = str(path.readlink())
            told = Path(f"/proc/self/fdinfo/{path.name}").read_text().splitlines()
            watched += [line for line in told if line.startswith("tfd:")]
            locks += [kind for line in told if line.startswith("lock:")]
            if kind.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(path.name))) as found:
                    if found.family == socket.AF_INET:
                        ports.append(found.getsockname()[1])
    handlers = {
        number.name: name_of(signal.getsignal(number))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGQUIT)
    }
    return {
        "ports": ports,
        "watched": watched,
        "locks": locks,
        "handlers": handlers,
        "wakeup": signal.set_wakeup_fd(-1),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    }


PATHS = {
    "/pool": lambda: pool("fork"),
    "/pool-spawn": lambda: pool("spawn", 1),
    "/pool-forkserver": lambda: pool("forkserver", 1),
    "/child-exits": lambda: forked(lambda: os._exit(7)),
    "/child-returns": lambda: forked(lambda: None),
    "/child-raises": lambda: forked(fail),
    "/child-calls-exit": lambda: forked(lambda: sys.exit(3)),
    "/child-runs-program": lambda: forked(lambda: os.execvp("true", ["true"])),  # noqa: S606
    "/system": lambda: os.waitstatus_to_exitcode(os.system("exit 5")),  # noqa: S605
    "/sleeping-child": sleeping_child,
    "/multiprocessing": multiprocessing_child,
    "/multiprocessing-daemon": lambda: multiprocessing_child(daemon=True),
    "/program": started_program,
    "/program-inherits": lambda: started_program(close_fds=False),
    "/thread": daemonless_thread,
    "/inherited": inherited,
    "/pid": os.getpid,
    "/stdin": lambda: subprocess.run(["cat"], capture_output=True, check=True).stdout,
}


def answer(path):
    return repr(PATHS[path]() if path in PATHS else "here").encode()


def app(environ, start_response):
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


async def asgi_app(scope, _receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = answer(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
