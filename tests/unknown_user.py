"""A user whom the passwd database does not know, without HOME, as containers run their programs.

In a user namespace (user_namespaces(7)) anyone may be such a user and still read what is theirs;
where none may be made, root becomes the user itself, provided that it can read this folder.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import NamedTuple

from tests.prepared_interpreter import Command, read_at_start, started

UID = 54_321
_WAYS = (
    ("unshare", "--user", f"--map-user={UID}", f"--map-group={UID}"),
    ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
)


def _works(way):
    try:
        tried = subprocess.run(
            [*way, sys.executable, "-c", "pass"], capture_output=True, check=False, timeout=20
        )
    except OSError:
        return False
    return tried.returncode == 0


@functools.cache
def _way():
    way = next(filter(_works, _WAYS), None)
    assert way is not None, "neither unshare(1) nor setpriv(1) gives a user of no name"
    return way


def as_unknown_user(*command):
    """The command, run as this user."""
    return [*_way(), *map(str, command)]


def environment(**variables):
    return {"PATH": os.environ["PATH"], **read_at_start(os.environ), **variables}


class Done(NamedTuple):
    """How a program ended, and what it wrote, errors included."""

    returncode: int
    stdout: str


def run_as_unknown_user(*arguments, cwd, has_own_interpreter=False, seconds=60, **variables):
    """Run Python with these arguments to its end."""
    command = Command(
        tuple(map(str, arguments)), str(cwd), environment(**variables), tuple(as_unknown_user())
    )
    process = started(command, has_own_interpreter=has_own_interpreter)
    with process.stdout:
        written = process.stdout.read()
    return Done(process.wait(seconds), written)
