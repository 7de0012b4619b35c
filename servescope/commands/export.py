"""`python -m servescope export`: metrics of the data folder's store, or of an engine, as a file."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from servescope.catalog import BY_NAME
from servescope.errors import DataFolderError, ExportError
from servescope.formats.tables import FORMATS, table_format
from servescope.queries.export import check_host, rows, wanted
from servescope.settings import ALL_HOSTS, load_settings
from servescope.store.engine.store import FarView
from servescope.store.opening import open_backend
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_store

if TYPE_CHECKING:
    import argparse

    from servescope.queries.export import Wanted
    from servescope.settings import Settings
    from servescope.store.base import Store

SQLITE: Final = "sqlite"
HELP: Final = "write recorded metrics as CSV, JSON or Parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--metric",
        action="append",
        required=True,
        metavar="NAME",
        help=f"may be given several times; one of {', '.join(sorted(BY_NAME))}",
    )
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="epoch seconds or ISO 8601; default: 5 min ago"
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="default: the newest second")
    parser.add_argument("--step", metavar="SECONDS", help="default: at most 900 steps")
    parser.add_argument(
        "--host",
        default="",
        metavar="NAME",
        help="whose figures, of those on the engine that SERVESCOPE_STORE names; "
        f"{ALL_HOSTS} is all of them together; default: this host's",
    )
    parser.add_argument("--format", default="csv", choices=sorted(FORMATS))
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")


def run(arguments: argparse.Namespace) -> int:
    """Write the export. Raises ServescopeError when it cannot be read or written."""
    with closing(_open(load_settings(), arguments.host)) as store:
        asked = wanted(store, arguments.metric, arguments.start, arguments.end, arguments.step)
        if arguments.output is None:
            _write(store, asked, arguments.format, sys.stdout.buffer)
            return 0
        try:
            with arguments.output.open("wb") as file:
                _write(store, asked, arguments.format, file)
        except OSError as error:
            raise ExportError(f"cannot write {arguments.output}: {error.strerror}") from error
    return 0


def _open(settings: Settings, host: str) -> Store:
    """The store with the host's figures; the engine needs no data folder for it."""
    folder = settings.data_dir
    try:
        has_file = (folder / FILE_NAME).exists()
    except OSError as error:
        raise DataFolderError(
            f"the data folder {folder} cannot be read: {error.strerror}"
        ) from error
    backend = settings.store.get_secret_value()
    if backend == SQLITE:
        check_host(host, None)
        if not has_file:
            raise DataFolderError(
                f"there is no store in {folder}; SERVESCOPE_DATA_DIR names another"
            )
        return open_store(folder, settings.store_mib)
    if has_file and host in {"", settings.instance}:
        return open_backend(backend, folder, settings.store_mib, settings.instance)
    chosen = host or settings.instance
    with ExitStack() as on_failure:
        view = on_failure.enter_context(
            closing(FarView(backend, None if chosen == ALL_HOSTS else chosen))
        )
        check_host(chosen, [one.name for one in view.hosts()])
        on_failure.pop_all()
    return view


def _write(store: Store, asked: Wanted, form: str, file: BinaryIO) -> None:
    file.writelines(table_format(form).write(rows(store, asked)))
    file.flush()
