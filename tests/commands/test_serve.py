"""`python -m servescope serve`: an app served and recorded, with a dashboard and without."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from websockets.sync.client import connect

from servescope import catalog
from servescope.commands import serve_options
from servescope.control import Control
from servescope.recording.recorder import RINGS, SAMPLES_SUFFIX
from servescope.records.listeners import ConcurrencyModel
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store
from tests.commands.served import ASGI, WSGI, Served
from tests.faults.test_handover import total_requests
from tests.processes import ROOT, alive, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def serve(request, tmp_path):
    started = []
    is_own = request.node.get_closest_marker("own_interpreter") is not None

    def serve(*given):
        started.append(Served(tmp_path / "data", *given, has_own_interpreter=is_own))
        return started[-1]

    yield serve
    for served in started:
        served.close()


@pytest.mark.parametrize(
    ("app", "options", "model"),
    [
        *((WSGI, ("--model", str(model)), model) for model in ConcurrencyModel),
        pytest.param(WSGI, (), "thread_pool", marks=pytest.mark.own_interpreter),
        pytest.param(ASGI, (), "asyncio", marks=pytest.mark.own_interpreter),
        ("tests.faults.factories:create_app('hello')", (), "thread_pool"),
        ("servescope/demo/site", (), "thread_pool"),
    ],
    ids=[*ConcurrencyModel, "WSGI", "ASGI", "factory", "folder"],
)
def test_an_app_is_served_and_recorded_without_a_dashboard(serve, app, options, model):
    served = serve(app, "--port", "0", "--name", "mine", "--workers", "2", *options)
    assert served.model == model, served.line
    for _ in range(20):
        assert served.get() == 200
    eventually(lambda: total_requests(served.folder, "mine") == 20)
    with closing(Control(served.folder)) as control:
        (status,) = control.listeners.statuses()
        assert (status.name, status.port, status.model) == ("mine", served.port, model)
        assert served.end() == 0
        assert control.listeners.statuses() == []
    assert served.process.stdout.read() == ""
    eventually(lambda: not any(map(alive, served.known)))


def test_what_was_recorded_last_is_in_the_store_after_the_end(serve):
    served = serve(WSGI, "--port", "0", "--name", "mine")
    for _ in range(7):
        assert served.get() == 200
    assert served.end(signal.SIGINT) == 0
    assert total_requests(served.folder, "mine") == 7


def test_a_dashboard_takes_the_lead_and_gives_it_back(serve, start_dashboard):
    served = serve(WSGI, "--port", "0", "--name", "mine")
    dashboard = start_dashboard()
    assert dashboard.folder == served.folder
    eventually(lambda: dashboard.leader == dashboard.process.pid)
    assert dashboard.port("mine") == served.port
    for _ in range(50):
        assert served.get() == 200
    eventually(lambda: total_requests(served.folder, "mine") == 50)
    assert dashboard.end() == 0
    eventually(lambda: dashboard.leader == served.process.pid)
    assert served.get() == 200
    eventually(lambda: total_requests(served.folder, "mine") == 51)
    assert served.end() == 0


def test_a_change_of_the_lead_loses_and_doubles_no_record(serve, start_dashboard):
    served = serve(WSGI, "--port", "0", "--name", "mine")
    sent = 0
    dashboard = start_dashboard(ready=False)
    while dashboard.leader != dashboard.process.pid:
        assert served.get() == 200
        sent += 1
        assert dashboard.process.poll() is None, dashboard.log
    for _ in range(20):
        assert served.get() == 200
        sent += 1
    eventually(lambda: total_requests(served.folder, "mine") >= sent)
    assert total_requests(served.folder, "mine") == sent


def test_a_listener_of_another_process_can_be_changed_and_loaded(serve, start_dashboard):
    dashboard = start_dashboard()
    served = serve(WSGI, "--port", "0", "--name", "mine", "--model", "prefork")
    eventually(lambda: dashboard.listener("mine"))
    with closing(Control(served.folder)) as control:
        control.listeners.change_overrides(
            "mine", lambda overrides: replace(overrides, deny=("127.0.0.1",))
        )
        eventually(lambda: served.get() == 403)
        control.listeners.change_overrides(
            "mine", lambda overrides: replace(overrides, deny=(), model=ConcurrencyModel.SEQUENTIAL)
        )
        eventually(lambda: dashboard.listener("mine").model == "sequential")
        assert dashboard.listener("mine").port == served.port
        # The old generation, which denies, shares the queue until it hears that it is retired.
        eventually(lambda: served.get() == 200)


def test_a_port_that_is_taken_is_told_with_its_holder(serve):
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        served = serve(WSGI, "--port", str(port))
        assert served.process.wait(15) == 1
        assert served.line.startswith(f"servescope: port {port} is held by ")
        assert re.search(rf"\(pid {os.getpid()}\); port \d+ is free$", served.line)
        assert served.process.stdout.read() == ""


def test_a_name_that_is_taken_is_told(serve):
    first = serve(WSGI, "--port", "0", "--name", "mine")
    second = serve(WSGI, "--port", "0", "--name", "mine")
    assert second.process.wait(15) == 1
    assert f"process {first.process.pid} hosts a listener mine" in second.line


def test_a_second_interrupt_ends_at_once(serve, tmp_path):
    served = serve(WSGI, "--port", "0")
    with closing(socket.create_connection(("127.0.0.1", served.port), 10)) as hanging:
        hanging.sendall(b"GET /wait?%b HTTP/1.1\r\nHost: h\r\n\r\n" % bytes(tmp_path))
        eventually(lambda: list(tmp_path.glob("entered-*")))
        served.process.send_signal(signal.SIGINT)
        eventually(lambda: not _accepts(served.port))
        began = time.monotonic()
        assert served.end(signal.SIGINT) == 130
        assert time.monotonic() - began < 5.0


def _accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


REFUSED = {
    "no such module": (["no_such_module:app"], "cannot import no_such_module: ModuleNotFoundError"),
    "no such attribute": (["servescope.demo.flask_app:nothing"], "has no nothing"),
    "no such module to reload": (
        ["no_such_module:app", "--reload"],
        "cannot import no_such_module: ModuleNotFoundErr",
    ),
    "a folder to reload": (
        ["servescope/demo/site", "--reload"],
        "--reload is for apps: the files of a folder",
    ),
    "no such folder": (["nowhere"], "nowhere is neither a folder nor an app"),
    "a factory that takes an argument": (
        ["tests.faults.factories:create_app"],
        "tests.faults.factories:create_app(greeting)",
    ),
    "no such model": (
        [WSGI, "--model", "fibres"],
        "--model fibres: choose one of sequential, thread_pool",
    ),
    "ASGI without an event loop": (
        [ASGI, "--model", "prefork"],
        "needs an event loop: --model asyncio",
    ),
    "no such network": (
        [WSGI, "--deny", "here"],
        "--deny here: neither an address nor a network",
    ),
    "every address as a proxy": (
        [WSGI, "--trusted-proxies", "::/0"],
        "'::/0' would believe every client",
    ),
    "no such proxy header": (
        [WSGI, "--proxy-headers", "via"],
        "--proxy-headers: either forwarded is believed",
    ),
    "no address": ([WSGI, "--host", "here"], "--host here: not an address"),
    "no such log format": (
        [WSGI, "--access-log-format", "json"],
        "choose one of common, combined",
    ),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_option_is_refused_in_one_line(run_command, tmp_path, given, message):
    done = run_command("serve", "--data-folder", tmp_path / "data", *given)
    assert (done.status, done.out) == (2, b"")
    line = done.err.decode()
    assert message in line
    assert line.startswith("servescope: ")
    assert line.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.process
@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (["nowhere"], 2, "nowhere is neither a folder nor an app"),
        ([WSGI, "--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1 port 8080"),
        ([WSGI, "--data-folder", "/proc/version/x"], 1, "cannot make the data folder /proc"),
    ],
    ids=["wrong option", "no address of this host", "no folder"],
)
def test_a_process_that_cannot_serve_ends_with_one_line(serve, given, status, message):
    served = serve(*given)
    assert served.process.wait(60) == status
    assert message in served.line
    assert served.line.startswith("servescope: ")
    assert served.process.stdout.read() == ""


@pytest.mark.parametrize(
    ("option", "value"),
    [("--port", "99999"), ("--workers", "0"), ("--keep-alive", "x")],
    ids=["port", "workers", "keep-alive"],
)
def test_a_number_out_of_bounds_names_its_option(run_command, option, value):
    done = run_command("serve", WSGI, option, value)
    assert done.status == 2
    assert f"argument {option}:" in done.err.decode()


def test_the_access_log_and_the_lists_of_the_command_line(serve, tmp_path):
    log = tmp_path / "a.log"
    served = serve(
        WSGI, "--port", "0", "--access-log", str(log), "--deny", "192.0.2.0/24,10.0.0.0/8",
        "--allow", "127.0.0.0/8",
    )  # fmt: skip
    assert served.get("/seen") == 200
    eventually(lambda: log.exists() and '"GET /seen HTTP/1.1" 200' in log.read_text())


def test_the_command_line_names_the_proxies_that_are_believed(serve, tmp_path):
    log = tmp_path / "a.log"
    served = serve(
        WSGI, "--port", "0", "--model", "prefork", "--access-log", str(log),
        "--trusted-proxies", "127.0.0.1", "--proxy-headers", "Forwarded",
    )  # fmt: skip
    headers = {"Forwarded": "for=198.51.100.7", "X-Forwarded-For": "203.0.113.5"}
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/seen", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    eventually(lambda: log.exists() and log.read_text().startswith("198.51.100.7 - - "))


def test_the_docs_tell_of_every_option_and_its_default():
    text = (ROOT / "docs" / "servers.md").read_text()
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| ([^|]*) \|", text, re.MULTILINE))
    assert set(rows) == set(serve_options.OPTIONS)
    for name, told in serve_options.OPTIONS.items():
        default = told.get("default")
        if default is not None:
            assert rows[name].strip() == f"`{default}`", name


def gauge(folder, metric, listener="mine"):
    """The newest value, None where there is none."""
    with closing(open_store(folder)) as store:
        newest = (store.bounds() or (0, 0))[1]
        query = Query(metric, newest - 1, newest + 1, where=(("listener", listener),))
        found = store.aggregate(query, Aggregation.AVG)
        values = found.values[0][~np.isnan(found.values[0])] if len(found.values) else []
        return float(values[-1]) if len(values) else None


def test_its_gauges_reach_the_dashboard_that_leads(serve, start_dashboard):
    dashboard = start_dashboard()
    served = serve(WSGI, "--port", "0", "--name", "mine")
    with served.clients(3):
        eventually(lambda: gauge(served.folder, catalog.OPEN_CONNECTIONS) == 3)
        assert dashboard.leader == dashboard.process.pid
        assert gauge(served.folder, catalog.BUSY_THREADS) is not None
        assert gauge(served.folder, catalog.OPEN_CONNECTIONS, "wsgi") is not None
    eventually(lambda: gauge(served.folder, catalog.OPEN_CONNECTIONS) == 0)
    assert served.end() == 0
    # Its rings go, and with them its lines.
    eventually(lambda: gauge(served.folder, catalog.OPEN_CONNECTIONS) is None)
    eventually(lambda: not list((served.folder / RINGS).glob(f"*{SAMPLES_SUFFIX}")))


def test_what_its_websockets_said_counts_once_whoever_leads(serve, start_dashboard):
    served = serve(ASGI, "--port", "0", "--name", "mine")
    dashboard = start_dashboard(ready=False)
    said = 0
    with connect(f"ws://127.0.0.1:{served.port}/ws/echo") as socket_:
        deadline = time.monotonic() + 20
        killed = None
        while killed is None or dashboard.leader != served.process.pid:
            socket_.send("hello")
            assert socket_.recv() == "hello"
            said += 1
            time.sleep(0.01)
            assert time.monotonic() < deadline, dashboard.log
            if killed is None and dashboard.leader == dashboard.process.pid and said > 100:
                killed = dashboard.process.pid
                os.kill(killed, signal.SIGKILL)
    eventually(lambda: messages(served.folder) >= 2 * said)
    assert messages(served.folder) == 2 * said


def messages(folder):
    with closing(open_store(folder)) as store:
        found = store.total(Query(catalog.WEBSOCKET_MESSAGES, 0, 4_000_000_000))
        return int(found.count.sum())
