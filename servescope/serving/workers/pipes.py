"""The pipes between a child process that runs an app and the process that started it."""

from __future__ import annotations

import os

from servescope.forked_child import disown_in_children


class ParentPipes:
    """The pipes from and to the parent, at descriptors that the app does not know.

    At 0 the app finds an empty input: a program that it starts must not read our orders. At 1 it
    finds standard error: its output must not look like a report.
    """

    def __init__(self) -> None:
        self.orders = os.dup(0)
        self.reports = os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)
        disown_in_children(self)

    def read_line(self) -> bytes:
        """The next line, and nothing behind it: that is for whoever polls.

        Without its end when the parent has gone.
        """
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self.orders, 1)):
            line += byte
        return line

    def report(self, line: bytes) -> None:
        """Tell the parent. Raises BrokenPipeError when it is gone."""
        while line:
            line = line[os.write(self.reports, line) :]

    def disown(self) -> None:
        """Close a forked child's copies: their ends must tell parent and worker of each other."""
        os.close(self.orders)
        os.close(self.reports)
