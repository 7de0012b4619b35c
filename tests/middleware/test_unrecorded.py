"""A recorder that cannot record says so once, and the app is served as if it were not there."""

import gc
import json
import resource
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

from servescope.middleware import asgi, wsgi
from servescope.middleware.app_recording import name_of
from servescope.middleware.process_rings import PROCESS_RINGS
from tests.middleware.test_asgi import body, run, scope, start
from tests.middleware.wsgi_apps import answer, environ, ok, wrapped
from tests.private_disk import CAN_MOUNT, on_private_disk
from tests.processes import ROOT
from tests.unknown_user import run_as_unknown_user

SERVE = textwrap.dedent("""
    import asyncio, json, logging, os, sys
    from pathlib import Path
    from tests.middleware.test_asgi import body, run, start
    from tests.middleware.test_asgi import scope as asgi_scope
    from tests.middleware.wsgi_apps import answer, environ, ok
    from servescope.middleware import asgi, wsgi

    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logging.getLogger().addHandler(handler)

    async def async_app(scope, receive, send):
        await send(start())
        await send(body(b"asgi"))

    def serve(folder):
        served = []
        for _ in range(3):
            served.append(answer(wsgi_app, environ()).decode())
            served.append(run(asgi_app, asgi_scope())[1]["body"].decode())
        return served

    results = {}
    for name, folder in json.loads(sys.argv[1]).items():
        told.clear()
        wsgi_app = wsgi.ServescopeMiddleware(ok(b"wsgi"), listener="w", data_dir=folder)
        asgi_app = asgi.ServescopeMiddleware(async_app, listener="a", data_dir=folder)
        at_start = len(told)
        served = serve(folder)
        here = list(told)
        reading, writing = os.pipe()
        if not os.fork():
            told.clear()
            os.write(writing, json.dumps([serve(folder), told]).encode())
            os._exit(0)
        os.close(writing)
        with open(reading) as answers:
            forked, in_child = json.loads(answers.read())
        os.wait()
        results[name] = {"served": served, "told": here, "forked": forked, "in child": in_child}
    print(json.dumps(results))
""")
SERVED = ["wsgi", "asgi"] * 3


def test_an_app_of_a_user_without_a_home_or_with_no_usable_folder_is_served(tmp_path):
    (tmp_path / "read-only").mkdir(mode=0o500)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "a file").touch()
    (tmp_path / "rings" / "rings").mkdir(mode=0o500, parents=True)
    (tmp_path / "fine").mkdir()
    folders = {
        "no home": None,
        "of somebody unknown": "~no-such-user/data",
        "read-only": str(tmp_path / "read-only" / "data"),
        "closed": str(tmp_path / "closed" / "data"),
        "a file": str(tmp_path / "a file"),
        "below a file": str(tmp_path / "a file" / "data"),
        "rings of another": str(tmp_path / "rings"),
        "no path": "a\0b",
        "fine": str(tmp_path / "fine"),
    }
    # Bad settings are the dashboard's to refuse: the recorder reads none but the folder.
    done = run_as_unknown_user(
        "-W", "error", "-c", SERVE, json.dumps(folders), cwd=ROOT, has_own_interpreter=True,
        PYTHONPATH=str(ROOT), SERVESCOPE_PORT="http", SERVESCOPE_PROT="1", SERVESCOPE_DATA_DIR="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    results = json.loads(done.stdout.splitlines()[-1])
    assert results.keys() == folders.keys()
    for name, told in results.items():
        assert told["served"] == told["forked"] == SERVED, name
        if name == "fine":
            assert told["told"] == told["in child"] == []
            continue
        if folders[name] is None or folders[name].startswith("~"):
            assert len(told["told"]) == 2, name  # at the start, of each of the two apps
            assert told["in child"] == []
        else:
            assert len(told["told"]) == 1, (name, told["told"])
            assert told["in child"] == told["told"], name  # a process of its own
        assert all(line.startswith("requests are not recorded: ") for line in told["told"])
    assert "set SERVESCOPE_DATA_DIR" in results["no home"]["told"][0]


@contextmanager
def limited(kind, most):
    """A limit of this process's, for a moment."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


LIMITS = {
    "no file may grow": (resource.RLIMIT_FSIZE, 4096),
    "no more descriptors": (resource.RLIMIT_NOFILE, 0),
}


@pytest.mark.parametrize(("kind", "most"), LIMITS.values(), ids=LIMITS)
def test_recording_begins_once_it_can(recorded, caplog, kind, most):
    app = wsgi.ServescopeMiddleware(ok(b"x"), listener="shop", data_dir=recorded.folder)
    gc.collect()
    with limited(kind, most):
        assert [answer(app, environ()) for _ in range(3)] == [b"x"] * 3
        PROCESS_RINGS._retry_at.clear()  # it is time to try again
        assert answer(app, environ()) == b"x"
    (told,) = caplog.messages
    assert told.startswith("requests are not recorded: ")
    PROCESS_RINGS._retry_at.clear()
    assert answer(app, environ()) == b"x"
    assert len(recorded.requests()) == 1
    assert caplog.messages[1:] == [f"requests are recorded from now on, into {recorded.folder}"]


FILL = textwrap.dedent("""
    import os, resource, sys
    from pathlib import Path
    from tests.middleware.conftest import Recorded
    from tests.middleware.wsgi_apps import answer, environ, ok
    from servescope.middleware import wsgi

    folder, when, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

    def fill():
        if way == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            return
        ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(ballast, b"x" * 4096)
        except OSError:
            os.close(ballast)

    app = wsgi.ServescopeMiddleware(ok(b"x"), listener="shop", data_dir=folder)
    if when == "before":
        fill()
    answer(app, environ())
    fill()
    # After more than a lap each page of a ring that is there is written.
    for _ in range(1_000 if when == "before" else 150_000):
        answer(app, environ())
    print(len(Recorded(folder).requests()) > 0)
""")
WAYS = ("limit", "tmpfs") if CAN_MOUNT else ("limit",)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("when", "recorded"), [("before", "False"), ("after", "True")])
def test_a_full_disk_ends_no_app(tmp_path, way, when, recorded):
    """A store into a page for which there is no room would be a SIGBUS."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [sys.executable, "-c", FILL, str(folder), when, way]
    done = subprocess.run(
        command if way == "limit" else on_private_disk(folder, 24, *command),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, recorded), done.stderr
    told = done.stderr.splitlines()
    assert len(told) == (when == "before")
    assert all("requests are not recorded: cannot make a ring" in line for line in told)


class Untellable:
    """An object in the place of an app's route whose conversion to text raises."""

    def __str__(self):
        raise RuntimeError("no route")


ODD = {
    "a route that cannot be told": {"servescope.route": Untellable()},
    "a path that PEP 3333 does not allow": {"PATH_INFO": "/\N{SNOWMAN}"},
    "no method": {"REQUEST_METHOD": None},
    "a mount that is no text": {"SCRIPT_NAME": 5},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_makes_no_sense_of_a_request_does_not_reach_its_app(recorded, caplog, odd):
    app = wrapped(recorded, ok(b"x"))
    assert [answer(app, environ() | odd) for _ in range(3)] == [b"x"] * 3
    assert answer(app, environ()) == b"x"
    assert len(caplog.messages) <= 1
    assert len(recorded.requests()) == 4


ODD_SCOPES = {
    "no headers, in a request that fails": ({"headers": None}, 500),
    "a route that cannot be told": ({"servescope.route": Untellable()}, 200),
    "a status beyond any": ({}, 70_000),
    "a status that is none": ({}, "200 OK"),
    "a target that is no text": ({"raw_path": 5, "path": None}, 500),
}


@pytest.mark.parametrize(("odd", "status"), ODD_SCOPES.values(), ids=ODD_SCOPES)
def test_nor_of_an_asgi_request(recorded, caplog, odd, status):
    async def app(_scope, _receive, send):
        await send(start(status))
        await send(body(b"x"))

    app = asgi.ServescopeMiddleware(app, listener="shop", data_dir=recorded.folder)
    for _ in range(3):
        assert run(app, scope() | odd) == [start(status), body(b"x")]
    assert set(caplog.messages) == {"requests to shop are not all recorded as they were"}
    assert len(caplog.messages) <= 2  # one for each kind of error, however many requests


def test_an_app_that_cannot_be_asked_yet_is_named_so():
    class Lazy:
        def __getattr__(self, name):
            raise RuntimeError(name)

    assert name_of(Lazy()) == "app"
