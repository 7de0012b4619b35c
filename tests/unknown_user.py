"""A user whom the passwd database does not know, without HOME, as containers run their programs.

In a user namespace (user_namespaces(7)) anyone may be such a user and still read what is theirs;
where none may be made, root becomes the user itself, provided that it can read this folder.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

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
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables}


def run_as_unknown_user(*command, cwd, seconds=60, **variables):
    """Run the command to its end; what it wrote is in `stdout`, errors included."""
    return subprocess.run(
        as_unknown_user(*command),
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds,
    )
