"""A client in a process of its own: `python -m tests.faults.healthy_client CORE PORT PORT`.

It asks two servers in turn, on a kept connection and on new ones, until its standard input ends.
Nothing else runs in its interpreter: the clients that do harm are another process's, and what they
cost there is not taken for the server's. It runs on a core that should not be the servers'. At last
it prints one line of JSON: for each server, for each answer, when it was asked for (seconds of the
monotonic clock, which all processes share) and how long it took (seconds).
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.serving.raw_client import CLOSING, GET, read_all, read_responses

ROOT = Path(__file__).parents[2]


class HealthyClient:
    """The running process. `stop` it to have its answers; `close` it in any case."""

    def __init__(self, core: int, ports: tuple[int, int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.healthy_client", *map(str, (core, *ports))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdout.readline() == b"asking\n"

    def stop(self) -> list[list[tuple[float, float]]]:
        """For each server when each was asked for, and how long it took; seconds."""
        self._process.stdin.close()
        answers = json.loads(self._process.stdout.read())
        assert self._process.wait(10) == 0
        return answers

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()


def ask(address: tuple[str, int], kept: socket.socket) -> list[tuple[float, float]]:
    """One answer on a kept connection, and one on its own."""
    began = time.monotonic()
    kept.sendall(GET)
    assert read_responses(kept, 1)[0][0] == 200
    answered = time.monotonic()
    with socket.create_connection(address, 10) as new:
        new.sendall(CLOSING)
        assert read_all(new).startswith(b"HTTP/1.1 200")
    return [(began, answered - began), (answered, time.monotonic() - answered)]


def main(core: str, *ports: str) -> None:
    os.sched_setaffinity(0, {int(core)})
    over = select.poll()
    over.register(0, select.POLLIN | select.POLLHUP)
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    answers = [[] for _ in ports]
    with ExitStack() as stack:
        addresses = [("127.0.0.1", int(port)) for port in ports]
        kept = [stack.enter_context(socket.create_connection(one, 10)) for one in addresses]
        while not over.poll(0):
            for address, connection, found in zip(addresses, kept, answers, strict=True):
                found.extend(ask(address, connection))
            time.sleep(0.001)
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
