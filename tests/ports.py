"""Ports of this host, for tests that name one before anybody listens on it."""

import atexit
import socket


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class KeptPort:
    """A port that one server after the other may have, and nobody else while this process runs.

    Its socket is bound and does not listen: so Linux gives the port to whoever names it and sets
    SO_REUSEADDR, as servers do, and to no client and no server that takes any.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        atexit.register(self._socket.close)


_FREE: list[KeptPort] = []


def borrow_port() -> KeptPort:
    """The kept port that was first given back, or a new one."""
    return _FREE.pop(0) if _FREE else KeptPort()


def give_back(ports: list[KeptPort]) -> None:
    """Let the next borrower have the ports, the first of them first."""
    _FREE[:0] = ports
