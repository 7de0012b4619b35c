"""`python -m servescope export`: metrics of a store or an engine, or a load run, as a file."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.catalog import BY_NAME
from servescope.errors import ExportError, UsageError
from servescope.exports.order import RunExportOrder
from servescope.exports.run_writing import RUN_FORMATS, run_export_parts
from servescope.exports.writing import ExportSource, export_parts
from servescope.formats.tables import FORMATS
from servescope.queries.export import wanted
from servescope.records.metrics import ALL_HOSTS
from servescope.run_files.archive import SUFFIX
from servescope.settings import load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

HELP: Final = "write recorded metrics as CSV, JSON or Parquet, or a load run as a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--run",
        dest="run_id",
        type=int,
        metavar="NUMBER",
        help=f"a load run that is over; --format is one of {', '.join(RUN_FORMATS)}",
    )
    what.add_argument(
        "--metric",
        action="append",
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
    parser.add_argument(
        "--format",
        choices=sorted({*FORMATS, *RUN_FORMATS}),
        help=f"default: csv, or {SUFFIX} for a load run",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")


def run(arguments: argparse.Namespace) -> int:
    """Write the export. Raises ServescopeError when it cannot be read or written."""
    source = ExportSource.of_settings(load_settings(), arguments.host)
    if arguments.run_id is not None:
        _refuse_beside_run(arguments)
        order = RunExportOrder(source, arguments.run_id, arguments.format or SUFFIX)
        _write(run_export_parts(order), arguments.output)
        return 0
    with closing(source.open()) as store:
        asked = wanted(store, arguments.metric, arguments.start, arguments.end, arguments.step)
        _write(export_parts(store, asked, arguments.format or "csv"), arguments.output)
    return 0


def _refuse_beside_run(arguments: argparse.Namespace) -> None:
    """A run has a span, steps and a host of its own."""
    beside = {
        "--from": arguments.start,
        "--to": arguments.end,
        "--step": arguments.step,
        "--host": arguments.host,
    }
    given = [option for option, value in beside.items() if value]
    if given:
        raise UsageError(f"{given[0]} does not go with --run, which has a span and host of its own")


def _write(parts: Iterable[bytes], output: Path | None) -> None:
    """Write to a file, or to standard output. Raises ExportError when the file cannot be."""
    if output is None:
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
        return
    try:
        with output.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise ExportError(f"cannot write {output}: {error.strerror}") from error
