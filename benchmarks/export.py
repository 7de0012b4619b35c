"""An export of a whole day in seconds: CPU time, and the memory of a process after its first one.

Each export runs in a process of its own, the formats in turn in each round. With `--against FOLDER`
another tree of this project exports the same store in the same rounds. CPU seconds are those after
the imports of the dashboard's side (settings, store, formats), so pandas' own import, which the
first export of a process pays, is in them. Run: python benchmarks/export.py [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope.catalog import CPU_UTILIZATION
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store

HERE = Path(__file__).resolve().parent.parent
DAY_S = 86_400
START = 1_700_006_400  # a midnight
FORMATS = ("csv", "json", "parquet")
MEASURED = """
import json, sys, time
from pathlib import Path
import psutil
from servescope.formats.tables import table_format
from servescope.queries.export import rows, wanted
from servescope.store.sqlite.store import open_store

folder, form, metric, start, end = sys.argv[1:]
store = open_store(Path(folder))
resident = psutil.Process().memory_info().rss
costs = []
for _ in range(2):
    began = time.process_time()
    size = sum(map(len, table_format(form).write(
        rows(store, wanted(store, [metric], start, end, "1")))))
    costs.append(time.process_time() - began)
grown = psutil.Process().memory_info().rss - resident
print(json.dumps([*costs, grown / 2**20, size]))
"""


def fill(folder: Path) -> None:
    """A day of the processors of a host with two cores: 3 series of 3 statistics each."""
    keys = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", cpu),)) for cpu in ("0", "1", "all")]
    with closing(open_store(folder)) as store:
        for hour in range(START, START + DAY_S, 3600):
            frames = [
                Frame(ts, {key: (ts * 7919 + 31 * at) % 9973 / 9973 for at, key in enumerate(keys)})
                for ts in range(hour, hour + 3600)
            ]
            store.write(Batch(frames))


def export(tree: Path, store: Path, form: str) -> list[float]:
    """CPU seconds of a process's first and second export, MiB that it grew by, bytes written."""
    given = [str(store), form, CPU_UTILIZATION, str(START), str(START + DAY_S)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *given], cwd=tree, check=True, capture_output=True
    )
    told: list[float] = json.loads(done.stdout)
    return told


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--against", type=Path, help="another tree of this project")
    options = arguments.parse_args()
    trees = {"this tree": HERE}
    if options.against:
        trees["the other"] = options.against.resolve()
    found: dict[tuple[str, str], list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        for _ in range(options.rounds):
            for form in FORMATS:
                for name, tree in trees.items():
                    found.setdefault((form, name), []).append(export(tree, Path(folder), form))
    print(f"{options.rounds} rounds; medians of CPU s, MiB of the process's growth")
    print(f"{'format':<9}{'tree':<11}{'first':>7}{'second':>8}{'grown':>8}{'bytes':>13}")
    for (form, name), rounds in found.items():
        first, second, grown, size = (statistics.median(one) for one in zip(*rounds, strict=True))
        print(f"{form:<9}{name:<11}{first:>7.2f}{second:>8.2f}{grown:>8.0f}{size:>13,.0f}")


if __name__ == "__main__":
    main()
