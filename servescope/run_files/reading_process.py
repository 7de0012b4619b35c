"""The dashboard's side of the process that opens a run file."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from servescope.child_process import let_go, say, start_child
from servescope.errors import RunFileError
from servescope.run_files.document import RunDocument
from servescope.run_files.worker import LONGEST_S, REFUSED

if TYPE_CHECKING:
    from pathlib import Path

MODULE: Final = "servescope.run_files.worker"
logger = logging.getLogger(__name__)
_one_at_a_time: Final = threading.Lock()


def unpack_in_process(file: Path, folder: Path) -> RunDocument:
    """`imported.unpack` in a process of its own, one at a time for each of ours.

    Raises RunFileError, also while another file is being opened.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise RunFileError("another run file is being opened: try again when that is done")
    try:
        return _unpack(file, folder)
    finally:
        _one_at_a_time.release()


def _unpack(file: Path, folder: Path) -> RunDocument:
    # In memory: the sentence about a full disk needs no room on it.
    with os.fdopen(os.memfd_create("run-file-stderr"), "w+b", buffering=0) as stderr:
        try:
            process = start_child(MODULE, stderr)
        except OSError as error:
            raise RunFileError(
                f"no process could be started to open the file: {error.strerror}"
            ) from error
        try:
            say(process, json.dumps({"file": str(file), "folder": str(folder)}).encode() + b"\n")
            assert process.stdout is not None  # noqa: S101 - it was asked for
            told = process.stdout.read()
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            let_go(process)
            if process.stdout is not None:
                process.stdout.close()
        if code:
            stderr.seek(0)
            raise RunFileError(_failure(code, stderr.read().decode("utf-8", "replace").strip()))
    values = json.loads(told)
    return RunDocument.from_json(values["run"], values["histogram"])


def _failure(code: int, said: str) -> str:
    if code == REFUSED and said:
        return said.splitlines()[-1]
    if code == -signal.SIGALRM:
        return f"the file took longer than {LONGEST_S} s to open"
    if code < 0:
        return f"the process that opened the file was ended by {signal.Signals(-code).name}"
    logger.error("the process that opened a run file ended with status %d: %s", code, said)
    return "the file could not be opened by a fault of Servescope; the dashboard's log says which"
