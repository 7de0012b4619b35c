"""The page Ports in the browser: every socket has its row, every standing port its line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing

import pytest

from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.figures import units
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.service_names import service_name
from servescope.sockets.binding import NEXT_PORTS
from tests.browser.conftest import WITHOUT_GRAPHS
from tests.processes import eventually

pytestmark = pytest.mark.browser

SHARING = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=7, reuse_port=True)
print(flush=True)
sys.stdin.read()
"""
ROWS = """port => {
    const rows = [];
    const told = (row, name) => row.querySelector(`[col-id=${name}]`)?.innerText;
    for (const row of document.querySelectorAll('#ports-sockets .ag-center-cols-container .ag-row'))
        if (told(row, 'port') === port)
            rows.push([told(row, 'pid'), told(row, 'accept_queue_depth'), told(row, 'backlog')]);
    return rows;
}"""

CELLS = """port => {
    const row = [...document.querySelectorAll('#ports-sockets .ag-center-cols-container .ag-row')]
        .find(row => row.querySelector('[col-id=port]')?.innerText === port);
    const told = name => row.querySelector(`[col-id=${name}]`)?.innerText;
    return row ? [told('service'), told('next_free_port')] : null;
}"""
NAMES = """() => (document.querySelector('#ports-queues .live-graph-plot')?.data || [])
    .map(trace => trace.name)"""


@pytest.fixture(scope="module")
def shared_port():
    """A port on which this process and another one listen, as the lowest: it is in sight."""
    with ExitStack() as stack:
        first = stack.enter_context(closing(lowest_free()))
        port = first.getsockname()[1]
        command = [sys.executable, "-c", SHARING, str(port)]
        process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert process.stdout.readline() == b"\n"
        yield port, process.pid
        process.stdin.close()
        process.wait(10)


@pytest.fixture(scope="module")
def ports(kept_page):
    """The page Ports, which the tests read."""
    return kept_page.follow("Ports").wait_drawn("ports-queues")


def lowest_free():
    """The rows are sorted by port, and those far below are not in the page."""
    for port in range(1_100, 2_000):
        try:
            return socket.create_server(("127.0.0.1", port), backlog=5, reuse_port=True)
        except OSError:
            continue
    raise AssertionError("no port is free")


def test_sockets_that_share_address_and_port_have_a_row_each(ports, shared_port):
    port, other = shared_port
    ports.page.locator("#ports-sockets").scroll_into_view_if_needed()
    ports.until(f"port => ({ROWS})(port).length === 2", str(port))
    with ExitStack() as stack:
        for _ in range(3):  # the kernel picks one of the two for each
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        ports.until(
            f"port => ({ROWS})(port).reduce((sum, row) => sum + Number(row[1]), 0) === 3",
            str(port),
        )
    told = {(pid, backlog) for pid, _, backlog in ports.page.evaluate(ROWS, str(port))}
    assert told == {(str(os.getpid()), "5"), (str(other), "7")}


def test_a_port_has_the_name_of_its_service_and_the_next_free_one(ports, shared_port):
    port, _ = shared_port
    cells = f"({CELLS})('{port}')"
    ports.until(
        f"{cells} !== null && {cells}[0] === {json.dumps(service_name(port) or units.NOTHING)}"
    )
    _, free = ports.page.evaluate(cells)
    assert port < int(free) <= port + NEXT_PORTS


def test_the_servers_of_a_comparison_are_no_lines_beside_the_standing_ports(ports, dashboard):
    models = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL)
    asked = ComparisonPlan.constant(models, BUNDLED_WSGI, "/slow?ms=40", 50, 0.5, together=True)
    with closing(dashboard.control) as control:
        number = control.comparisons.request(asked, time.time()).id
        eventually(lambda: control.comparisons.by_id(number).is_over, 60)
    ports.wait_newer("ports-queues", ports.last_x("ports-queues"))
    ours = {f"{name} :{dashboard.port(name)}" for name in ("files", "wsgi", "asgi")}
    wanted = {f"{port} {word}" for port in ours for word in ("waiting", "backlog")}
    assert set(ports.page.evaluate(NAMES)) == wanted
    ports.follow(WITHOUT_GRAPHS).follow("Ports").wait_drawn("ports-queues")
    assert set(ports.page.evaluate(NAMES)) == wanted
