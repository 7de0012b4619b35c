"""axe-core in a page: what of it people with other senses or hands cannot read or use."""

from __future__ import annotations

import os
from pathlib import Path

VERSION = "4.14.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servescope"
GRAVE = ("critical", "serious")
RUN = "() => axe.run(document, {resultTypes: ['violations']})"


def source():
    """The library's code, where scripts/test has put it."""
    file = CACHE / f"axe-core-{VERSION}.min.js"
    assert file.is_file(), f"{file} is missing: scripts/test gets it"
    return file.read_text()


def grave_violations(page):
    """Each grave violation with its elements, as lines to read."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    return [
        f"{found['impact']} {found['id']}: {' '.join(map(str, node['target']))}"
        f" {node['html'][:120]} {node['failureSummary']}"
        for found in page.evaluate(RUN)["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]
