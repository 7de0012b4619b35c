"""The contract of both socket tables, against real sockets; and what only netlink must do."""

import os
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servescope.sampling.inet_diag import MAX_FILTERED_PORTS, InetDiag, sport_filter
from servescope.sampling.proc_tcp import ProcTcp, parse_proc_tcp
from servescope.sampling.tcp_sockets import BoundSocket, TcpState


@pytest.fixture(params=[InetDiag, ProcTcp])
def table(request):
    return request.param()


def row_of(table, listening):
    port = listening.getsockname()[1]
    (row,) = [row for row in table.listening_sockets() if row.port == port]
    return row


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_accept_queue_depth_counts_connections_nobody_accepted(
    table, listen, connect, eventually, address
):
    listening = listen(address, backlog=5)
    assert row_of(table, listening).accept_queue_depth == 0
    connect(listening, 3)
    eventually(lambda: row_of(table, listening).accept_queue_depth, 3)
    listening.accept()[0].close()
    row = row_of(table, listening)
    assert row.accept_queue_depth == 2
    assert row.address == address
    assert row.backlog == (5 if isinstance(table, InetDiag) else None)


def test_rows_bear_inode_and_user(table, listen):
    listening = listen()
    row = row_of(table, listening)
    stat = os.fstat(listening.fileno())
    assert (row.inode, row.uid) == (stat.st_ino, stat.st_uid)


def counts(table, port):
    return {state: count for (_, state), count in table.connection_counts([port]).items()}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_by_state_on_the_servers_side(table, listen, connect, eventually, address):
    listening = listen(address)
    port = listening.getsockname()[1]
    assert counts(table, port) == {}
    first, second, third = connect(listening, 3)
    eventually(lambda: counts(table, port), {TcpState.ESTABLISHED: 3})
    servers = [listening.accept()[0] for _ in range(3)]
    by_client = {server.getpeername()[1]: server for server in servers}
    with servers[0], servers[1], servers[2]:
        first.close()
        eventually(lambda: counts(table, port), {TcpState.ESTABLISHED: 2, TcpState.CLOSE_WAIT: 1})
        by_client[second.getsockname()[1]].close()
        eventually(
            lambda: counts(table, port),
            {TcpState.ESTABLISHED: 1, TcpState.CLOSE_WAIT: 1, TcpState.FIN_WAIT_2: 1},
        )
        second.close()
        eventually(
            lambda: counts(table, port),
            {TcpState.ESTABLISHED: 1, TcpState.CLOSE_WAIT: 1, TcpState.TIME_WAIT: 1},
        )
        assert third.getsockname()[1] in by_client


def test_only_the_ports_asked_for_are_counted(table, listen, connect, eventually):
    ours, too, theirs = listen(), listen("::1"), listen()
    ports = [listening.getsockname()[1] for listening in (ours, too)]
    connect(ours, 2)
    connect(too)
    connect(theirs)
    expected = {(ports[0], TcpState.ESTABLISHED): 2, (ports[1], TcpState.ESTABLISHED): 1}
    eventually(lambda: table.connection_counts(ports), expected)
    assert table.connection_counts([]) == {}


class ResetMeanwhile(InetDiag):
    """A dump in which one connection is reset after the filter passed it: its port reads 0."""

    def _dump(self, states, program=b""):
        yield from super()._dump(states, program)
        if TcpState.CLOSE_WAIT in states:
            yield 0, TcpState.CLOSE_WAIT, 0


def test_a_connection_that_is_reset_meanwhile_is_not_counted(listen, connect, eventually):
    listening = listen()
    connect(listening, 2)
    port = listening.getsockname()[1]
    expected = {(port, TcpState.ESTABLISHED): 2}
    eventually(lambda: ResetMeanwhile().connection_counts([port]), expected)


def test_sockets_on_a_port_are_told_in_whatever_state(table, listen, connect, eventually):
    listening = listen()
    port = listening.getsockname()[1]
    (client,) = connect(listening)
    eventually(
        lambda: sorted(row.state for row in table.sockets_on(port)),
        [TcpState.ESTABLISHED, TcpState.LISTEN],
    )
    # Connections elsewhere may share the client's port.
    held = {row.inode for row in table.sockets_on(client.getsockname()[1])}
    assert os.fstat(client.fileno()).st_ino in held


def test_both_tables_agree_on_the_whole_host(listen):
    listen("0.0.0.0")
    listen("::1")

    def known(table):
        return {(row.address, row.port, row.inode, row.uid) for row in table.listening_sockets()}

    # Others open and close sockets meanwhile: compare what was there before and after.
    before, told, after = known(InetDiag()), known(ProcTcp()), known(InetDiag())
    assert before & after <= told <= before | after


@pytest.fixture(scope="module")
def busy_port():
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0],
    ):
        yield listening.getsockname()[1]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    others=st.lists(st.integers(0, 65535), max_size=12),
    near=st.lists(st.integers(-2, 2), max_size=5),
    place=st.integers(0, 17),
)
def test_the_kernel_passes_a_port_if_and_only_if_it_is_listed(busy_port, others, near, place):
    diag = InetDiag()
    neighbours = {min(max(busy_port + step, 0), 65535) for step in near}
    ports = [port for port in {*others, *neighbours} if port != busy_port]
    mixed = [*ports[:place], busy_port, *ports[place:]]

    def passed(listed):
        dump = diag._dump([TcpState.LISTEN], sport_filter(listed))
        return busy_port in {socket.ntohs(port) for _, _, port in dump}

    assert passed(mixed)
    if ports:
        assert not passed(ports)


def test_more_ports_than_one_program_holds(busy_port):
    ports = [*range(1, 2 * MAX_FILTERED_PORTS), busy_port]
    assert (busy_port, TcpState.ESTABLISHED) in InetDiag().connection_counts(ports)


def test_a_dump_of_many_datagrams_is_whole(listen, connect, eventually):
    listening = listen(backlog=400)
    port = listening.getsockname()[1]
    connect(listening, 400)
    eventually(lambda: counts(InetDiag(), port), {TcpState.ESTABLISHED: 400})


def test_threads_share_one_table(listen, connect, eventually):
    table = InetDiag()
    listening = listen()
    port = listening.getsockname()[1]
    connect(listening, 2)
    eventually(lambda: row_of(table, listening).accept_queue_depth, 2)
    wrong = []

    def ask():
        for _ in range(40):
            if row_of(table, listening).accept_queue_depth != 2:
                wrong.append("depth")
            if table.connection_counts([port]) != {(port, TcpState.ESTABLISHED): 2}:
                wrong.append("counts")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_broken_netlink_socket_is_replaced(listen):
    table, listening = InetDiag(), listen()
    table._socket.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        table.listening_sockets()
    assert row_of(table, listening).backlog == 5


def test_a_dump_given_up_half_way_leaves_nothing_behind(listen, connect, eventually):
    table, listening = InetDiag(), listen(backlog=400)
    port = listening.getsockname()[1]
    connect(listening, 400)
    eventually(lambda: counts(table, port), {TcpState.ESTABLISHED: 400})
    dump = table._dump([TcpState.ESTABLISHED])
    next(dump)
    dump.close()
    assert counts(table, port) == {TcpState.ESTABLISHED: 400}


def test_what_the_kernel_refuses_is_an_error_and_the_table_goes_on(listen):
    table, listening = InetDiag(), listen()
    with pytest.raises(OSError, match="Invalid argument"):
        list(table._dump([TcpState.LISTEN], sport_filter([80])[:-8]))
    assert row_of(table, listening).backlog == 5


def python(script):
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)


def test_a_forked_child_opens_its_own_table():
    told = python("""
        import os
        from servescope.sampling.inet_diag import listening_sockets, socket_table
        table = socket_table()
        assert socket_table() is table
        if not (pid := os.fork()):
            listening_sockets()
            os._exit(socket_table() is table)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert told.stdout == "0\n"


def test_where_a_sandbox_refuses_netlink_the_text_tables_are_read():
    told = python("""
        import ctypes, logging, platform, socket, struct
        # A seccomp filter as sandboxes install it: socket(AF_NETLINK, ...) fails with EPERM.
        number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
        program = b"".join(struct.pack("=HBBI", *line) for line in [
            (0x20, 0, 0, 0), (0x15, 0, 3, number),
            (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_NETLINK),
            (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000),
        ])
        held = ctypes.create_string_buffer(program, len(program))
        fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        assert prctl(38, 1, 0, 0, 0) == 0
        assert prctl(22, 2, ctypes.c_char_p(fprog), 0, 0) == 0

        from servescope.sampling.inet_diag import listening_sockets, connection_counts
        logging.basicConfig(format="%(message)s")
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        with socket.create_connection(listening.getsockname()):
            server, _ = listening.accept()
            (row,) = [row for row in listening_sockets() if row.port == port]
            print(row.address, row.backlog, connection_counts([port])[port, 1])
    """)
    assert told.stdout == "127.0.0.1 None 1\n"
    assert told.stderr == (
        "the kernel refuses socket diagnostics by netlink: Operation not permitted; "
        "/proc/net/tcp is read instead, which knows no backlog\n"
    )


# As little-endian machines print addresses, the only ones Servescope is tested on.
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
TEXT_CASES = {
    "listening": (
        socket.AF_INET,
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000 1000 0 77 1\n",
        [(BoundSocket("127.0.0.1", 8080, TcpState.LISTEN, 77, 1000), 3)],
    ),
    "handshake under way": (
        socket.AF_INET,
        "   1: 0A00020A:0050 0A00020B:9C40 03 00000000:00000000 01:00000063 00000000 0 0 0 1\n",
        [(BoundSocket("10.2.0.10", 80, TcpState.SYN_RECEIVED, 0, 0), 0)],
    ),
    "TIME_WAIT has no owner": (
        socket.AF_INET,
        "   2: 020200C0:9AFE 507100CB:0050 06 00000000:00000000 03:00001764 00000000  0  0 0 3\n",
        [(BoundSocket("192.0.2.2", 39678, TcpState.TIME_WAIT, 0, 0), 0)],
    ),
    "IPv6": (
        socket.AF_INET6,
        f" 0: B80D0120000000000000000001000000:01BB {'0' * 32}:0000 0A 00:00 00:00 00 0 0 5 1\n",
        [(BoundSocket("2001:db8::1", 443, TcpState.LISTEN, 5, 0), 0)],
    ),
    "a state from the future": (
        socket.AF_INET,
        "   0: 0100007F:1F90 00000000:0000 3F 00000000:00000000 00:00000000 00000000 0 0 77 1\n",
        [],
    ),
    "nothing": (socket.AF_INET, "", []),
}


@pytest.mark.parametrize(("family", "text", "expected"), TEXT_CASES.values(), ids=TEXT_CASES)
def test_text_tables(family, text, expected):
    assert list(parse_proc_tcp(HEAD + text, family)) == expected
