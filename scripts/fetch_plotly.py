"""Fetch the vendored Plotly bundle anew, of the version that the installed Dash was made for.

    python scripts/fetch_plotly.py

Needs npm, which compares what it fetches with the registry's checksum. Dash itself brings a bundle
of all trace types, three times as large; the cartesian one has all that `servescope/figures` draws
(`tests/browser/test_visits.py` looks). Commit the folder with the SHA-256 that this prints, which
`tests/components/delivery/test_document.py` compares.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from plotly.offline import get_plotlyjs_version

PACKAGE: Final = "plotly.js-cartesian-dist-min"
BUNDLE: Final = "plotly-cartesian.min.js"
FOLDER: Final = Path(__file__).parent.parent / "assets" / "vendor" / "plotly-cartesian"


def main() -> int:
    """Fetch, unpack the bundle and its licence, and say what came."""
    version = get_plotlyjs_version()
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--json", f"{PACKAGE}@{version}"],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
        )
        (told,) = json.loads(packed.stdout)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(Path(folder) / told["filename"]) as archive:
            for name in (BUNDLE, "LICENSE"):
                member = archive.extractfile(f"package/{name}")
                if member is None:
                    print(f"{PACKAGE}@{version} has no {name}")
                    return 1
                (FOLDER / name).write_bytes(member.read())
    digest = hashlib.sha256((FOLDER / BUNDLE).read_bytes()).hexdigest()
    print(f"{PACKAGE}@{version}: {BUNDLE} {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
