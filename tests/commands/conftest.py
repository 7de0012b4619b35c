"""`python -m servescope`, run in the test's own process: an interpreter each costs a second."""

from dataclasses import dataclass

import pytest

from servescope.__main__ import main
from tests.settings_environment import set_only


@dataclass
class Finished:
    """The end of a command: its exit status and the bytes that it wrote."""

    status: int
    out: bytes
    err: bytes


@pytest.fixture
def run_command(capsysbinary, monkeypatch):
    """Run a command in this process: `run_command("export", …, DATA_DIR=…)`, with settings."""

    def run(*given, **settings):
        with monkeypatch.context() as patch:
            set_only(patch, **settings)
            try:
                status = main(list(map(str, given)))
            except SystemExit as ended:  # argparse ends the process itself
                status = ended.code
        written = capsysbinary.readouterr()
        return Finished(status, written.out, written.err)

    return run
