"""Open a run file: the run of another machine becomes one of the list here, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError, RunFileError
from servescope.records.run_origin import RunOrigin
from servescope.run_files.archive import MOST_BYTES
from servescope.run_files.imported import FOLDER
from servescope.run_files.reading_process import unpack_in_process

if TYPE_CHECKING:
    from servescope.control.load_runs import LoadRuns
    from servescope.records.load import LoadRun

MOST_IMPORTED: Final = 200
"""Imported runs that are kept beside each other: each has a store of its own on the disk."""

_INCOMING: Final = ".incoming-"
_ABANDONED_S: Final = 3_600
_BLOCK_BYTES: Final = 65_536


def open_run_file(load_runs: LoadRuns, data_dir: Path, file: IO[bytes]) -> LoadRun:
    """Read a run file to its end and add its run; return it under its number here.

    Raises RunFileError for what is no run file or cannot be kept, LoadRefusedError when the run is
    here already; then nothing of it stays.
    """
    folder = data_dir / FOLDER
    run, origin = _keep(load_runs, folder, file)
    try:
        return load_runs.add_imported(run, origin)
    except LoadRefusedError:  # another import of the same run was faster: the folder is its own
        raise
    except BaseException:
        shutil.rmtree(folder / origin.folder, ignore_errors=True)
        raise


def _keep(load_runs: LoadRuns, folder: Path, file: IO[bytes]) -> tuple[LoadRun, RunOrigin]:
    """Check a run file and keep its series in `folder`; the run as the file has it."""
    incoming = _make_room(folder)
    try:
        uploaded = incoming / "run-file"
        _copy(file, uploaded)
        document = unpack_in_process(uploaded, incoming)
        origin = RunOrigin(
            document.host, document.run.id, document.exported_s, time.time(), document.key
        )
        load_runs.refuse_known(origin)
        kept = folder / origin.folder
        try:
            uploaded.unlink()
            shutil.rmtree(kept, ignore_errors=True)  # of an import that was killed before its end
            incoming.rename(kept)
        except OSError as error:
            raise RunFileError(f"the run cannot be kept in {kept}: {error.strerror}") from error
        return document.run, origin
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _make_room(folder: Path) -> Path:
    """A folder for one that comes in. Raises RunFileError where there is no room for it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _remove_abandoned(folder)
        if sum(1 for _ in folder.iterdir()) >= MOST_IMPORTED:
            raise RunFileError(
                f"there are {MOST_IMPORTED} runs of other machines here, the most that are kept: "
                "delete one first"
            )
        return Path(tempfile.mkdtemp(prefix=_INCOMING, dir=folder))
    except OSError as error:
        raise RunFileError(f"the file cannot be kept in {folder}: {error.strerror}") from error


def _copy(file: IO[bytes], to: Path) -> None:
    """Copy at most MOST_BYTES. Raises RunFileError for more, and when there is no room."""
    left = MOST_BYTES
    try:
        with to.open("wb") as copy:
            while block := file.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise RunFileError(
                        f"the file has more than {MOST_BYTES:,} bytes, the most of a run file"
                    )
                copy.write(block)
    except OSError as error:
        raise RunFileError(f"the file cannot be kept: {error.strerror}") from error


def _remove_abandoned(folder: Path) -> None:
    """Remove what imports left that were killed."""
    for one in folder.glob(f"{_INCOMING}*"):
        with suppress(OSError):
            if time.time() - one.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(one, ignore_errors=True)
