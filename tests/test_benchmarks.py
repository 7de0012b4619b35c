"""Every benchmark finds what it imports when it is started as its own text says: by its path."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.processes import ROOT

# One process for all, in another folder: each must add the project to the search path by itself and
# import its modules anew.
IMPORT_EACH = """
import json, runpy, sys
from importlib.metadata import PackageNotFoundError

folder, *files = sys.argv[1:]
path = sys.path[1:]
faults = {}
for file in files:
    sys.path[:] = [folder, *path]
    for module in [*sys.modules]:
        if module.partition(".")[0] in {"servescope", "components", "tests"}:
            del sys.modules[module]
    try:
        runpy.run_path(file, run_name="benchmark")
    except PackageNotFoundError:
        pass  # a peer of requirements-bench.txt, which is asked for after all imports
    except Exception as error:
        faults[file] = repr(error)
print(json.dumps(faults))
"""


def test_every_benchmark_finds_what_it_imports(tmp_path):
    folder = ROOT / "benchmarks"
    files = sorted(map(str, folder.glob("*.py")))
    assert files
    command = [sys.executable, "-c", IMPORT_EACH, str(folder), *files]
    done = subprocess.run(
        command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}
