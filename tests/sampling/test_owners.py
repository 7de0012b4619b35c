import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from servescope.sampling.inet_diag import listening_sockets
from servescope.sampling.owners import (
    ANOTHER_PROCESS,
    ANOTHER_USER,
    ListeningTable,
    Owner,
    OwnerFinder,
    find_holder,
    holder_of,
    holds,
    listening_table,
    owner_of,
    program,
)

LISTENER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def foreign():
    """A process of its own that listens, and its port."""
    command = [sys.executable, "-c", LISTENER, "secret argument"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process, int(process.stdout.readline())
        process.kill()


def inode_of(listening):
    return os.fstat(listening.fileno()).st_ino


def port_of(listening):
    return listening.getsockname()[1]


def own_name():
    return Path("/proc/self/comm").read_text().strip()


def own_program():
    return program(Owner(os.getpid(), own_name(), " ".join(psutil.Process().cmdline())))


def test_this_process_owns_its_sockets(listen):
    first, second = inode_of(listen()), inode_of(listen("::1"))
    found = owner_of([first, second, 0, 2**31])
    assert found.keys() == {first, second}
    assert {(owner.pid, owner.name) for owner in found.values()} == {(os.getpid(), own_name())}


def test_another_process_is_found_with_its_command_line(foreign):
    process, port = foreign
    (inode,) = [row.inode for row in listening_sockets() if row.port == port]
    owner = owner_of([inode])[inode]
    assert owner.pid == process.pid
    assert owner.cmdline.startswith(sys.executable)
    assert owner.cmdline.endswith("secret argument")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_holder_of_a_port_in_a_persons_words(listen, address):
    port = port_of(listen(address))
    words = f"{own_program()} (pid {os.getpid()})"
    assert holder_of(port) == words
    assert holder_of(port, address) == words
    assert holder_of(port, "0.0.0.0") == words  # a wildcard would collide with it
    at_another = "127.0.0.2"
    assert holder_of(port, at_another) == (words if address == "0.0.0.0" else ANOTHER_PROCESS)


def test_holder_is_another_process(foreign):
    process, port = foreign
    assert holder_of(port).endswith(f"(pid {process.pid})")


def test_a_connected_socket_holds_its_port_too(listen, connect):
    (client,) = connect(listen())
    assert holder_of(port_of(client)) == f"{own_program()} (pid {os.getpid()})"


@pytest.mark.parametrize(
    ("name", "cmdline", "told"),
    [
        ("python3", "python3 app.py --token secret", "python3 app.py"),
        ("python3.12", "/usr/bin/python3.12 /srv/shop/app.py", "python3.12 app.py"),
        ("python", "python -m http.server 8000", "python -m http.server"),
        ("python", "python -c import os; print('secret')", "python"),
        ("python", "python", "python"),
        ("node", "node /srv/server.js", "node server.js"),
        ("python", "python <b>bold</b>", "python"),
        ("nginx", "nginx: master process /usr/sbin/nginx -g secret", "nginx"),
    ],
)
def test_a_process_is_named_by_what_it_runs_and_by_no_other_argument(name, cmdline, told):
    assert program(Owner(7, name, cmdline)) == told


def test_a_process_holds_the_sockets_that_it_has_open(listen, foreign):
    process, port = foreign
    inode = inode_of(listen())
    assert holds(os.getpid(), inode)
    assert not holds(process.pid, inode)
    assert holds(process.pid, find_holder(port).inode)


def test_nobody_holds_a_port_just_closed():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = port_of(listening)
    assert holder_of(port) == ANOTHER_PROCESS


def test_what_was_found_is_forgotten_when_the_process_ends(foreign):
    process, port = foreign
    (inode,) = [row.inode for row in listening_sockets() if row.port == port]
    finder = OwnerFinder()
    assert finder.owner_of([inode])[inode].pid == process.pid
    process.stdin.close()
    process.wait()
    assert finder.owner_of([inode]) == {}


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A /proc of the test's own, with one process that has nothing open."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    proc_folder(tmp_path, 1, inode=1, start_time=1)
    return tmp_path


def proc_folder(root, pid, *, inode, start_time):
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")
    (folder / "comm").write_text("a) b\n")
    (folder / "cmdline").write_text("a\0b\0")
    write_stat(folder, "a) b", start_time)
    return folder


def write_stat(folder, name, start_time):
    (folder / "stat").write_text(f"{folder.name} ({name}) S {'0 ' * 18}{start_time}{' 0' * 30}\n")


def test_a_pid_taken_over_by_another_process_owns_nothing(proc):
    folder = proc_folder(proc, 7, inode=99, start_time=1000)
    finder = OwnerFinder()
    owner = finder.owner_of([99])[99]
    assert (owner.pid, owner.name, owner.cmdline) == (7, "a) b", "a b")
    (folder / "fd" / "3").unlink()
    assert finder.owner_of([99])[99] == owner  # kept: not searched again
    write_stat(folder, "other", 2000)
    assert finder.owner_of([99]) == {}


def test_of_processes_that_share_a_socket_the_lowest_pid_is_told(proc):
    for pid in (30, 4, 100):
        proc_folder(proc, pid, inode=5, start_time=pid)
    assert OwnerFinder().owner_of([5])[5].pid == 4


def test_a_socket_without_visible_owner_is_not_searched_at_every_call(proc):
    patient, eager = OwnerFinder(3600), OwnerFinder(0)
    assert patient.owner_of([5]) == eager.owner_of([5]) == {}
    proc_folder(proc, 4, inode=5, start_time=1)
    assert patient.owner_of([5]) == {}
    assert eager.owner_of([5])[5].pid == 4


def test_listening_table_tells_depth_backlog_and_process(listen, connect, foreign, eventually):
    process, foreign_port = foreign
    listening = listen(backlog=5)
    connect(listening, 3)
    table = ListeningTable(owner_of, max_age_seconds=0)

    def row():
        (found,) = [row for row in table.rows([port_of(listening)]) if row.own]
        return found.address, found.process, found.pid, found.accept_queue_depth, found.backlog

    eventually(row, ("127.0.0.1", own_name(), os.getpid(), 3, 5))
    (other,) = [row for row in table.rows() if row.port == foreign_port]
    assert (other.pid, other.own) == (process.pid, False)
    ports = [row.port for row in table.rows()]
    assert ports == sorted(ports)


def test_a_process_that_cannot_be_seen_is_told_in_words(listen, proc):
    del proc  # where no process has the socket open
    port = port_of(listen())
    mine = ListeningTable(OwnerFinder().owner_of).rows([port])
    (row,) = [row for row in mine if row.own]
    assert (row.process, row.pid) == (ANOTHER_PROCESS, None)
    of_others = [
        type(row)(row.address, row.port, 0, 1, row.inode, os.geteuid() + 1)
        for row in listening_sockets()
        if row.port == port
    ]
    (row,) = ListeningTable(OwnerFinder().owner_of, lambda: of_others).rows()
    assert row.process == ANOTHER_USER


def test_many_viewers_cost_one_reading():
    readings = []

    def listening():
        readings.append(threading.get_ident())
        return listening_sockets()

    table = ListeningTable(owner_of, listening, max_age_seconds=3600)
    threads = [threading.Thread(target=table.rows) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 1


def test_the_hosts_table_has_our_socket_within_its_age(listen, eventually):
    port = port_of(listen())
    eventually(lambda: [row.pid for row in listening_table([port]) if row.own], [os.getpid()])
