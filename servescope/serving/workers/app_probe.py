"""The kind of an app, found out in a process of its own.

The process that watches over others that import an app anew must not import it itself: it would run
the app's code beside them, and keep the first version of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

from servescope.child_process import let_go, say, start_child
from servescope.errors import AppImportError
from servescope.hosting.app_import import import_app, kind_of, parse_app_name
from servescope.records.listeners import AppKind
from servescope.serving.workers.import_path import import_path
from servescope.serving.workers.pipes import ParentPipes

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "servescope.serving.workers.app_probe"


class ProbedApp(NamedTuple):
    """An app that was imported elsewhere."""

    kind: AppKind
    file: str  # of its module; empty where it has none


def kind_in_process(name: str) -> AppKind:
    """The kind of an app that this process does not import. Raises AppImportError."""
    return probe_app(name).kind


def probe_app(name: str, folder: Path | None = None) -> ProbedApp:
    """The app of this name as a process finds it in the folder; None: as it would be found here.

    Raises AppImportError.
    """
    try:
        child = start_child(MODULE)
    except OSError as error:
        raise AppImportError(f"no process could be started: {error.strerror}") from error
    say(child, json.dumps([name, import_path(folder), str(folder or "")]).encode() + b"\n")
    with child.stdout or open(os.devnull, "rb") as answers:  # noqa: PTH123 - there is one
        answer = answers.readline()
    let_go(child)
    code = child.wait()
    if not answer:
        raise AppImportError(f"the process that imported {name} ended with {code}")
    told = json.loads(answer)
    if "failure" in told:
        raise AppImportError(told["failure"])
    return ProbedApp(AppKind(told["kind"]), told["file"])


def main() -> None:
    """Import, answer, end: without the app's exit handlers, and at the latest with the parent."""
    pipes = ParentPipes()
    name, path, folder = json.loads(pipes.read_line())
    threading.Thread(target=_end_with_parent, args=(pipes,), daemon=True).start()
    sys.path[:] = path
    if folder:
        os.chdir(folder)
    sys.dont_write_bytecode = True  # as a worker that is to be reloaded (see there)
    try:
        kind = kind_of(import_app(name))
        module = sys.modules.get(parse_app_name(name).module)
        told = {"kind": str(kind), "file": getattr(module, "__file__", None) or ""}
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
