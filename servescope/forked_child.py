"""The sockets, locks and signal handlers that a child which an app forks must not keep.

fork(2) copies every descriptor, and with it a share in the open file description: in the listening
sockets, the clients' connections, flock(2) locks, and pipes whose end tells another process that
this one is gone. A child of a hosted app (os.fork, multiprocessing) lives for as long as it likes,
so whoever owns such a thing registers it here, with how a child gives up its copy: it closes the
descriptor and does nothing else. shutdown(2), an unlock, epoll_ctl(2) and a close_notify would
reach the parent through what is shared.

A program that is started (execve(2)) needs none of this: our descriptors are close-on-exec
(PEP 446), and handlers do not outlive it. For that reason we set no signal to SIG_IGN, which does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

Owner = TypeVar("Owner")


class Disownable(Protocol):
    """An owner of descriptors that a forked child must close."""

    def disown(self) -> None:
        """Close this process's copies, and nothing else; no other thread is there, no lock free.

        A descriptor that the owner has closed before may be another file's by then: it must not be
        closed again.
        """


class _Forks:
    """The registered owners, and the hooks around a fork (see os.register_at_fork)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # held by whoever forks, and by whoever is about to register
        self.owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()
        self.handlers: dict[int, Any] = {}
        self._mask: set[int] = set()

    def prepare(self) -> None:
        """Hold back the signals: a child that gets one before its handlers are gone loses it."""
        self.lock.acquire()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.handlers)

    def resume(self) -> None:
        """Go on in the parent."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        self.lock.release()

    def begin_child(self) -> None:
        """Give up, in the child, what is the parent's."""
        for owner, disown in list(self.owners.items()):
            try:
                disown(owner)
            except Exception:  # a fault with one must not keep the others open
                import logging  # here alone: it would cost each app that records 10 ms

                logging.getLogger(__name__).exception(
                    "a forked child could not let go of %r", owner
                )
        self.owners.clear()
        for number, handler in self.handlers.items():
            if signal.getsignal(number) is handler:
                is_interrupt = number == signal.SIGINT  # Python itself handles that one
                signal.signal(
                    number, signal.default_int_handler if is_interrupt else signal.SIG_DFL
                )
        if self.handlers:
            signal.set_wakeup_fd(-1)  # it is the parent that would wake up
            self.handlers.clear()
        self.resume()


_FORKS: Final = _Forks()
os.register_at_fork(
    before=_FORKS.prepare, after_in_parent=_FORKS.resume, after_in_child=_FORKS.begin_child
)


def in_children(owner: Owner, disown: Callable[[Owner], None]) -> None:
    """Call `disown(owner)` in each child that is forked while `owner` lives; see `Disownable`."""
    _FORKS.owners[owner] = disown


def disown_in_children(owner: Disownable) -> None:
    """Call `owner.disown()` in each child that is forked while `owner` lives."""
    in_children(owner, type(owner).disown)


def close_in_children(sock: socket.socket) -> None:
    """Close a socket in each child that is forked while the object lives."""
    in_children(sock, type(sock).close)


def no_fork() -> AbstractContextManager[Any]:
    """Let no thread fork meanwhile: files opened within are registered when the next one does."""
    return _FORKS.lock


def restore_signals_in_children(numbers: Iterable[int]) -> None:
    """Give forked children the default disposition of these signals in place of the present one.

    A handler that is changed afterwards is inherited like any other. The default of SIGINT is
    KeyboardInterrupt, as in each Python process.
    """
    _FORKS.handlers.update({number: signal.getsignal(number) for number in numbers})


def end_forked_child(error: BaseException | None = None) -> NoReturn:
    """End a child that comes back from the app into the server: the clients are its parent's.

    The exit status is that of a program which ends so: 0, that of SystemExit, else 1 with the
    traceback. Functions that the app registered with `atexit` are not called, as after `os._exit`.
    """
    status = 0
    if isinstance(error, SystemExit):
        if isinstance(error.code, int):
            status = error.code & 0xFF
        elif error.code is not None:
            sys.stderr.write(f"{error.code}\n")
            status = 1
    elif error is not None:
        sys.__excepthook__(type(error), error, error.__traceback__)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
