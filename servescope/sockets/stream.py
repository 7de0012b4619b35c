"""The interface of a connection's socket: a plain one has it, and so has one behind TLS."""

from __future__ import annotations

from typing import Any, Final, NoReturn, Protocol

from servescope.forked_child import end_forked_child


class StreamSocket(Protocol):
    """The part of `socket.socket` that connections use, non-blocking."""

    def fileno(self) -> int: ...

    def recvmsg(
        self, size: int, control_bytes: int, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """Read what is there (see recv(2)); raises BlockingIOError when that is nothing."""

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Send what is taken; raises BlockingIOError when that is nothing.

        Behind TLS what was not taken must be offered again, from the same byte on.
        """

    def shutdown(self, how: int, /) -> None:
        """End one direction or both."""

    def close(self) -> None: ...


class _ParentsSocket:
    """Stands for a connection's socket in a child that the app forked.

    Its use means that the app has returned into a server that is not there: the child ends.
    """

    def fileno(self) -> NoReturn:
        end_forked_child()

    def recvmsg(self, size: int, control_bytes: int, /) -> NoReturn:
        del size, control_bytes
        end_forked_child()

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> NoReturn:
        del data, flags
        end_forked_child()

    def shutdown(self, how: int, /) -> NoReturn:
        del how
        end_forked_child()

    def close(self) -> NoReturn:
        end_forked_child()


PARENTS_SOCKET: Final = _ParentsSocket()
