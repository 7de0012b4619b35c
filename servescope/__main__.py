"""`python -m servescope COMMAND`: what can be done without the dashboard."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

from servescope.errors import ServescopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = {
    "compare": "servescope.commands.compare",
    "export": "servescope.commands.export",
    "load": "servescope.commands.load",
    "serve": "servescope.commands.serve",
}
"""Each command's module; see `servescope.commands` for what it holds."""


def main(given: Sequence[str] | None = None) -> int:
    """Run a command; answer the exit status: 2 for what was asked wrongly, 1 for what failed."""
    parser = argparse.ArgumentParser(prog="servescope", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        try:
            command = importlib.import_module(module)
        except ModuleNotFoundError as error:  # installed for its recorders, which need less
            sys.stderr.write(
                f"servescope: its commands need {error.name}, which is not installed: "
                "pip install -r requirements.txt, in Servescope's repository\n"
            )
            return 1
        options = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(options)
        options.set_defaults(run=command.run)
    arguments = parser.parse_args(given)
    try:
        return int(arguments.run(arguments))
    except ServescopeError as error:
        sys.stderr.write(f"servescope: {error}\n")
        return error.exit_status
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
