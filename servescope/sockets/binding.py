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
    address = without_brackets(address)
    family = family_of(address)
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # a kernel without IPv6
        raise _bind_error(address, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        listening.bind((address, port))
        listening.listen(backlog)
        prepare(listening)
    except OverflowError as error:
        listening.close()
        raise ListenerError(f"port {port} is not between 0 and 65535") from error
    except OSError as error:
        listening.close()
        raise _bind_error(address, port, error) from error
    return listening


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
