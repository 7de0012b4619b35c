"""Make the vendored scripts anew: Plotly, of the version that the installed Dash was made for.

    python scripts/fetch_vendored.py

Needs npm, which compares what it fetches with the registry's checksums, and node for esbuild.

Plotly publishes no bundle of the trace types that `servescope/figures` draws and no others
(`tests/browser/test_visits.py` looks that all are in it). The nearest one, of all cartesian types,
is larger by a quarter, and its wrapper has the browser parse all of it twice, the second time on
the main thread: it took 250 ms of CPU there, this one takes 30.

Commit the folder with the SHA-256 that this prints: `tests/components/delivery/test_document.py`
compares it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from plotly.offline import get_plotlyjs_version

TRACES: Final = ("scatter", "bar", "heatmap")
"""`scatter` is in the core, with which Plotly registers it."""

ESBUILD: Final = "esbuild@0.28.1"
REGENERATOR: Final = "regenerator-runtime@0.14.1"

VENDORED: Final = Path(__file__).parent.parent / "assets" / "vendor"
PLOTLY: Final = VENDORED / "plotly" / f"plotly-{'-'.join(TRACES)}.min.js"
GENERATORS: Final = VENDORED / "regenerator-runtime" / "runtime.js"

COMPILE_ALL: Final = "//# allFunctionsCalledOnLoad"
"""Has Chromium compile all functions where it parses them, on a thread of their own."""

BUILD: Final = (
    *("node_modules/.bin/esbuild", "entry.js", "--bundle", "--minify", "--format=iife"),
    *("--global-name=Plotly", "--target=es2020", "--define:global=window"),
    *("--define:process.env.NODE_DEBUG=false", "--alias:stream=stream-browserify"),
    *("--legal-comments=eof", "--outfile=plotly.js"),
)


def main() -> int:
    """Install, bundle, copy with the licences, and say what came."""
    version = get_plotlyjs_version()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = (f"plotly.js@{version}", ESBUILD, REGENERATOR)
        _run(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages)
        others = ", ".join(f"require('plotly.js/lib/{trace}')" for trace in TRACES[1:])
        (folder / "entry.js").write_text(
            "var Plotly = require('plotly.js/lib/core');\n"
            f"Plotly.register([{others}]);\n"
            "module.exports = Plotly;\n"
        )
        banner = f"/* plotly.js v{version} ({', '.join(TRACES)}; minified), MIT, see LICENSE */"
        _run(folder, *BUILD, f"--banner:js={COMPILE_ALL}\n{banner}")
        installed = folder / "node_modules"
        _keep(folder / "plotly.js", PLOTLY, installed / "plotly.js" / "LICENSE")
        regenerator = installed / "regenerator-runtime"
        _keep(regenerator / "runtime.js", GENERATORS, regenerator / "LICENSE")
    return 0


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True)


def _keep(made: Path, place: Path, licence: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(made.read_bytes())
    (place.parent / "LICENSE").write_bytes(licence.read_bytes())
    print(f"{place.name}: {hashlib.sha256(place.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    sys.exit(main())
