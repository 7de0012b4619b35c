"""`python -m servescope export`: metrics of the data folder's store, or of an engine, as a file."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.catalog import BY_NAME
from servescope.errors import ExportError
from servescope.exports.writing import ExportSource, export_parts
from servescope.formats.tables import FORMATS
from servescope.queries.export import wanted
from servescope.records.metrics import ALL_HOSTS
from servescope.settings import load_settings

if TYPE_CHECKING:
    import argparse

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
    source = ExportSource.of_settings(load_settings(), arguments.host)
    with closing(source.open()) as store:
        asked = wanted(store, arguments.metric, arguments.start, arguments.end, arguments.step)
        parts = export_parts(store, asked, arguments.format)
        if arguments.output is None:
            sys.stdout.buffer.writelines(parts)
            sys.stdout.buffer.flush()
            return 0
        try:
            with arguments.output.open("wb") as file:
                file.writelines(parts)
        except OSError as error:
            raise ExportError(f"cannot write {arguments.output}: {error.strerror}") from error
    return 0
