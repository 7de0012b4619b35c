"""TCP sockets by sock_diag(7) over netlink(7): no privilege needed, binary, filtered in the kernel.

A request is a `nlmsghdr` and an `inet_diag_req` with a bit mask of states, and optionally a filter
program; the answer is a dump of `inet_diag_msg`s ended by NLMSG_DONE. TCPDIAG_GETSOCK
(linux/inet_diag.h) dumps the sockets of IPv4 and IPv6 together. SOCK_DIAG_BY_FAMILY needs one for
each, and each dump of connections walks over the kernel's whole hash table, 262,144 buckets on a
host of 24 GiB. The program (INET_DIAG_REQ_BYTECODE) lets only our local ports pass, so that
the connections of others are neither copied nor parsed. Read every second: psutil's
`net_connections` takes eleven times the CPU with 100 connections on such a host, where all of ours
goes into that walk (`benchmarks/sampling.py`), and tells no queues.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final
from weakref import finalize

from servescope.errors import SocketDiagError
from servescope.sampling.proc_tcp import ProcTcp
from servescope.sampling.tcp_sockets import (
    SERVER_SIDE_STATES,
    BoundSocket,
    ListeningSocket,
    SocketTable,
    TcpState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_LOG: Final = logging.getLogger(__name__)

NETLINK_SOCK_DIAG: Final = 4  # linux/netlink.h
_TCPDIAG_GETSOCK: Final = 18  # linux/inet_diag.h
_NLM_F_REQUEST_DUMP: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
_REQUEST: Final = struct.Struct("=B3x48sI4x")  # family, sockid, states: an inet_diag_req
_ATTRIBUTE: Final = struct.Struct("=HH")  # nlattr: length, type
_BYTECODE_ATTRIBUTE: Final = 1
_ERRNO: Final = struct.Struct("=i")

# Offsets from the nlmsghdr into the inet_diag_msg behind it.
_REPLY_HEAD: Final = struct.Struct("=IH2xI5xB2xH")  # length, type, sequence; state, port (swapped)
_FAMILY_OFFSET: Final = _HEADER.size
_ADDRESS_OFFSET: Final = _HEADER.size + 8
_FIGURES: Final = struct.Struct("=IIII")  # rqueue, wqueue, uid, inode
_FIGURES_OFFSET: Final = _HEADER.size + 56

_OP: Final = struct.Struct("=BBH")  # inet_diag_bc_op: code, step if yes, step if no
_OP_JUMP, _OP_PORT_AT_LEAST, _OP_PORT_AT_MOST = 1, 2, 3
MAX_FILTERED_PORTS: Final = 1000  # a step is a 16-bit number of bytes

_RECEIVE_BYTES: Final = 65_536  # the kernel fills at most 32 KiB at a time
_TIMEOUT: Final = struct.pack("@ll", 1, 0)  # struct timeval; the kernel answers at once or never


class InetDiag:
    """The socket table by netlink; see SocketTable.

    Raises SocketDiagError when the kernel or a sandbox (seccomp) refuses.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sequence = itertools.count(1)
        self._buffer = bytearray(_RECEIVE_BYTES)
        try:
            self._socket = self._open()
            self.listening_sockets()  # a refusal may show only in the answer
        except OSError as error:
            raise SocketDiagError(
                f"the kernel refuses socket diagnostics by netlink: {error.strerror}"
            ) from error

    def listening_sockets(self) -> list[ListeningSocket]:
        """Every listening socket, of all users."""
        found = []
        with self._lock:
            for offset, _, port in self._dump([TcpState.LISTEN]):
                depth, backlog, uid, inode = self._figures(offset)
                address = self._address(offset)
                found.append(
                    ListeningSocket(address, socket.ntohs(port), depth, backlog, inode, uid)
                )
        return found

    def connection_counts(self, ports: Collection[int]) -> dict[tuple[int, TcpState], int]:
        """Connections by local port and state, see SocketTable."""
        counts: dict[tuple[int, int], int] = {}
        asked = set(ports)
        wanted = sorted(asked)
        with self._lock:
            for start in range(0, len(wanted), MAX_FILTERED_PORTS):
                program = sport_filter(wanted[start : start + MAX_FILTERED_PORTS])
                for _, state, port in self._dump(SERVER_SIDE_STATES, program):
                    key = port, state
                    counts[key] = counts.get(key, 0) + 1
        # The kernel reports port 0 for a connection that is reset while it writes the report.
        return {
            (port, TcpState(state)): count
            for (told, state), count in counts.items()
            if (port := socket.ntohs(told)) in asked
        }

    def sockets_on(self, port: int) -> list[BoundSocket]:
        """Every socket that holds this local port."""
        found = []
        with self._lock:
            for offset, state, _ in self._dump(TcpState, sport_filter([port])):
                _, _, uid, inode = self._figures(offset)
                found.append(BoundSocket(self._address(offset), port, TcpState(state), inode, uid))
        return found

    def _open(self) -> socket.socket:
        opened = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG
        )
        finalize(self, opened.close)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
        return opened

    def _dump(
        self, states: Iterable[TcpState], program: bytes = b""
    ) -> Iterator[tuple[int, int, int]]:
        """Yield where each message begins in the buffer, its state, its port in network order.

        The buffer holds a message until the next one is asked for.
        """
        sequence = next(self._sequence) & 0xFFFFFFFF
        mask = sum(1 << state for state in states)
        body = _REQUEST.pack(socket.AF_INET, bytes(48), mask)  # a dump heeds no family
        if program:
            body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(program), _BYTECODE_ATTRIBUTE) + program
        length = _HEADER.size + len(body)
        header = _HEADER.pack(length, _TCPDIAG_GETSOCK, _NLM_F_REQUEST_DUMP, sequence, 0)
        whole = False
        try:
            self._socket.send(header + body)
            yield from self._replies(sequence)
            whole = True
        finally:
            if not whole:  # the kernel starts no dump on a socket with another half read
                self._socket.close()
                self._socket = self._open()

    def _replies(self, sequence: int) -> Iterator[tuple[int, int, int]]:
        unpack, buffer = _REPLY_HEAD.unpack_from, self._buffer
        while True:
            size = self._socket.recv_into(buffer)
            offset = 0
            while offset < size:
                length, kind, answered, state, port = unpack(buffer, offset)
                if answered == sequence:
                    if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
                        self._check_end(offset)
                        return
                    yield offset, state, port
                offset += (length + 3) & ~3

    def _check_end(self, offset: int) -> None:
        """Both ends of a dump carry 0 or a negative errno."""
        (code,) = _ERRNO.unpack_from(self._buffer, offset + _HEADER.size)
        if code < 0:
            raise OSError(-code, os.strerror(-code))

    def _figures(self, offset: int) -> tuple[int, int, int, int]:
        """Of the message that begins there: rqueue, wqueue, uid, inode."""
        return _FIGURES.unpack_from(self._buffer, offset + _FIGURES_OFFSET)

    def _address(self, offset: int) -> str:
        family = self._buffer[offset + _FAMILY_OFFSET]
        start = offset + _ADDRESS_OFFSET
        length = 4 if family == socket.AF_INET else 16
        return socket.inet_ntop(family, bytes(self._buffer[start : start + length]))


def sport_filter(ports: Collection[int]) -> bytes:
    """A program that passes sockets whose local port is one of these; at most MAX_FILTERED_PORTS.

    Each port is tested from below and from above, which every kernel knows; a test's port stands
    in the operation behind it. A step to the program's very end passes, one beyond it rejects.
    """
    program = bytearray()
    for index, port in enumerate(ports):
        program += _OP.pack(_OP_PORT_AT_LEAST, 8, 20) + _OP.pack(0, 0, port)
        program += _OP.pack(_OP_PORT_AT_MOST, 8, 12) + _OP.pack(0, 0, port)
        # After the last test nothing is left to jump over: its misses step 4 bytes too far.
        if tests_left := len(ports) - 1 - index:
            program += _OP.pack(_OP_JUMP, 4, 20 * tests_left)
    return bytes(program)


@functools.cache
def socket_table() -> SocketTable:
    """This process's source of sockets: netlink, or the tables of proc(5) where that is refused."""
    try:
        return InetDiag()
    except SocketDiagError as error:
        _LOG.warning("%s; /proc/net/tcp is read instead, which knows no backlog", error)
        return ProcTcp()


# Parent and child on one netlink socket would read each other's answers.
os.register_at_fork(after_in_child=socket_table.cache_clear)


def listening_sockets() -> list[ListeningSocket]:
    """Every listening TCP socket of this network namespace. Raises OSError."""
    return socket_table().listening_sockets()


def connection_counts(ports: Collection[int]) -> dict[tuple[int, TcpState], int]:
    """Connections of these local ports by port and state, server side. Raises OSError."""
    return socket_table().connection_counts(ports)
