"""The findings about a run that is over, as its file and its report keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.findings.gathering import run_of
from servescope.findings.judge import findings
from servescope.run_files.document import SaidOfRun

if TYPE_CHECKING:
    from servescope.records.load import LoadRun


def said_of_run(run: LoadRun) -> tuple[SaidOfRun, ...]:
    """The findings of a run, the most urgent first."""
    return tuple(
        SaidOfRun(one.severity.value, one.code, one.sentence) for one in findings(run_of(run))
    )
