"""`docs/metrics.md` says what is so."""

import re
import subprocess
import sys

from servescope.catalog import BY_NAME
from servescope.queries.export import MOST_ROWS
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_the_table_is_the_catalogs():
    command = [sys.executable, "scripts/make_metrics_table.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_metrics_in_examples_exist():
    named = re.findall(r"(?:metric=|--metric )([a-z0-9_.]+)", PAGE)
    assert named
    assert set(named) <= BY_NAME.keys()


def test_the_bound_is_the_codes():
    assert f"{MOST_ROWS // 1_000_000} million rows" in PAGE
