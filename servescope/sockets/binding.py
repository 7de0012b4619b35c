"""Listening sockets."""

from __future__ import annotations

import errno
import socket
from typing import Final

from servescope.addresses import UNIX, without_brackets
from servescope.errors import ListenerError, PortNotPermittedError, PortTakenError, SettingsError
from servescope.forked_child import close_in_children, no_fork
from servescope.sockets.timestamps import stamp_arrivals
from servescope.sockets.unix import bind_unix

NEXT_PORTS: Final = 50
"""How many ports after one that is taken are tried."""

MOST_PORT: Final = 65_535
FIRST_UNPRIVILEGED: Final = 1_024
"""The first port that every user may bind, unless the system says otherwise (ip(7))."""

KEEPALIVE_IDLE_S: Final = 30
"""How long a connection is silent before the kernel asks whether its client is there (tcp(7))."""

KEEPALIVE_INTERVAL_S: Final = 10
KEEPALIVE_PROBES: Final = 3


def family_of(address: str) -> socket.AddressFamily:
    """Address family of a numeric address, without brackets."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def bind(address: str, port: int, backlog: int) -> socket.socket:
    """A non-blocking socket that listens on `address` and `port` (0: any free port).

    `address` is a numeric IPv4 or IPv6 address, with or without brackets, a host name (its IPv4
    address is taken), or `unix:/path`. `::` takes IPv4 clients as well (dual stack, RFC 3493
    section 5.3); any other IPv6 address is itself alone.

    SO_REUSEADDR, so that a restart need not wait for TIME_WAIT (socket(7)); never SO_REUSEPORT, so
    that no port is bound twice. Raises PortTakenError, PortNotPermittedError, or ListenerError for
    an address that is none of this host's.
    """
    with no_fork():
        return _bind(address, port, backlog)


def _bind(address: str, port: int, backlog: int) -> socket.socket:
    if address.startswith(UNIX):
        listening = bind_unix(address, backlog)
        prepare(listening)
        return listening
    listening = _bound(without_brackets(address), port)
    try:
        listening.listen(backlog)
        prepare(listening)
    except OSError as error:
        listening.close()
        raise _bind_error(address, port, error) from error
    return listening


def _bound(address: str, port: int) -> socket.socket:
    """A socket bound there that does not listen yet. Raises ListenerError."""
    family = family_of(address)
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # a kernel without IPv6
        raise _bind_error(address, port, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        bound.bind((address, port))
    except OverflowError as error:
        bound.close()
        raise ListenerError(f"port {port} is not between 0 and 65535") from error
    except OSError as error:
        bound.close()
        raise _bind_error(address, port, error) from error
    return bound


def next_free_port(address: str, port: int) -> int | None:
    """The next port above `port` that this user may bind at the address; None when none is near.

    It is free as of now; another process may take it at any moment.
    """
    candidate, last = port + 1, port + NEXT_PORTS
    while candidate <= min(last, MOST_PORT):
        error = _would_fail(address, candidate)
        if error is None:
            return candidate
        if isinstance(error, PortNotPermittedError) and candidate < FIRST_UNPRIVILEGED:
            candidate, last = FIRST_UNPRIVILEGED, FIRST_UNPRIVILEGED + NEXT_PORTS
        else:
            candidate += 1
    return None


def is_free(address: str, port: int) -> bool:
    """Whether nobody is in the way of a listener at this address and port, as of now."""
    return not isinstance(_would_fail(address, port), PortTakenError)


def _would_fail(address: str, port: int) -> ListenerError | None:
    """The error that a listener there would meet.

    The socket is bound and does not listen, and it lets others bind beside it (SO_REUSEADDR): a
    listener that starts there at the same moment does not notice.
    """
    try:
        with no_fork(), _bound(without_brackets(address), port):
            return None
    except ListenerError as error:
        return error


def check_address(setting: str, address: str) -> None:
    """Raise SettingsError, in one line, when `address` is none that this host can listen on."""
    try:
        bind(address, 0, 1).close()
    except ListenerError as error:
        raise SettingsError(f"bad setting {setting}={address}: {error}") from None


def prepare(listening: socket.socket) -> None:
    """Set what a listening socket needs, whoever bound it; accepted ones inherit it (tcp(7)).

    No child of this process keeps it: neither one that is forked nor a program that is started.
    """
    close_in_children(listening)
    listening.set_inheritable(False)
    listening.setblocking(False)
    if listening.family != socket.AF_UNIX:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A client that vanishes without a word is noticed within a minute, whatever waits for it.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    # From here on the kernel stamps packets, those of connections not yet accepted as well.
    stamp_arrivals(listening)


def address_of(listening: socket.socket) -> tuple[str, int]:
    """Host and port a socket listens on; of a unix socket `unix:` with its path, and 0."""
    name = listening.getsockname()
    return (f"{UNIX}{name}", 0) if listening.family == socket.AF_UNIX else (name[0], name[1])


def _bind_error(address: str, port: int, error: OSError) -> ListenerError:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(port, holder="")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortNotPermittedError(
            f"port {port} is privileged and this user may not bind it; choose 1024 or above"
        )
    return ListenerError(f"cannot listen on {address} port {port}: {error.strerror or error}")
