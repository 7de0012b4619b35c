"""Runs that were opened from files: each has its series in a store of its own.

They cannot be among the local series: these are of this host and of their time, and a page that
asks for an hour must not meet another machine's seconds in it.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.errors import StoreVersionError
from servescope.run_files.archive import open_run_file
from servescope.run_files.span_store import write_span_store
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_read_only, open_store

if TYPE_CHECKING:
    from servescope.records.run_origin import RunOrigin
    from servescope.run_files.document import RunDocument
    from servescope.store.sqlite.store import SqliteStore

FOLDER: Final = "imported_runs"
"""In the data folder; a folder for each imported run."""


def unpack(file: Path, folder: Path) -> RunDocument:
    """Check a run file whole, and write its series as a store into `folder`.

    Raises RunFileError for a file that cannot be opened, StoreError when there is no room.
    """
    with open_run_file(file) as opened:
        if not opened.document.without_series:
            write_span_store(folder, opened.series, opened.minutes())
        return opened.document


def store_folder(data_dir: Path, origin: RunOrigin) -> Path:
    """The folder of an imported run's store."""
    return data_dir / FOLDER / Path(origin.folder).name


def has_series(data_dir: Path, origin: RunOrigin) -> bool:
    """Whether the series of an imported run are here: its file had some, and they are not gone."""
    return (store_folder(data_dir, origin) / FILE_NAME).exists()


def open_series(data_dir: Path, origin: RunOrigin) -> SqliteStore | None:
    """The series of an imported run; None when its file had none, or they are gone.

    A store of an older Servescope is brought up to date. Raises what opening a store raises.
    """
    if not has_series(data_dir, origin):
        return None
    folder = store_folder(data_dir, origin)
    try:
        return open_read_only(folder)
    except StoreVersionError:
        open_store(folder).close()  # raises it again where the file is of a newer one
        return open_read_only(folder)


def remove_series(data_dir: Path, origin: RunOrigin) -> None:
    """Remove the series of an imported run, after its row is gone."""
    with suppress(OSError):
        shutil.rmtree(store_folder(data_dir, origin))
