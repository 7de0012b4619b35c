"""The kind of an app, found out in a process of its own.

The process that watches over others that import an app anew must not import it itself: it would run
the app's code beside them, and keep the first version of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from servescope.child_process import let_go, say, start_child
from servescope.errors import AppImportError
from servescope.hosting.app_import import import_app, kind_of
from servescope.records.listeners import AppKind
from servescope.serving.workers.pipes import ParentPipes

MODULE = "servescope.serving.workers.app_probe"


def kind_in_process(name: str) -> AppKind:
    """The kind of an app that this process does not import. Raises AppImportError."""
    try:
        child = start_child(MODULE)
    except OSError as error:
        raise AppImportError(f"no process could be started: {error.strerror}") from error
    say(child, json.dumps([name, sys.path]).encode() + b"\n")
    with child.stdout or open(os.devnull, "rb") as answers:  # noqa: PTH123 - there is one
        answer = answers.readline()
    let_go(child)
    code = child.wait()
    if not answer:
        raise AppImportError(f"the process that imported {name} ended with {code}")
    told = json.loads(answer)
    if "failure" in told:
        raise AppImportError(told["failure"])
    return AppKind(told["kind"])


def main() -> None:
    """Import, answer, end: without the app's exit handlers, and at the latest with the parent."""
    pipes = ParentPipes()
    name, path = json.loads(pipes.read_line())
    threading.Thread(target=_end_with_parent, args=(pipes,), daemon=True).start()
    sys.path[:] = path
    sys.dont_write_bytecode = True  # as a worker that is to be reloaded (see there)
    try:
        told = {"kind": str(kind_of(import_app(name)))}
    except AppImportError as error:
        told = {"failure": str(error)}
    pipes.report(json.dumps(told).encode() + b"\n")
    sys.stderr.flush()
    os._exit(0)


def _end_with_parent(pipes: ParentPipes) -> None:
    pipes.read_line()
    os._exit(0)


if __name__ == "__main__":
    main()
