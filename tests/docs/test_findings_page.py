"""`docs/findings.md` lists the thresholds, findings, cases and situations that there are."""

import subprocess
import sys

from tests.processes import ROOT


def test_the_tables_are_those_of_the_code():
    command = [sys.executable, "scripts/make_findings_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
