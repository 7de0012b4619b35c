"""Sections of a page in docs/ that a script writes, each between two comments that name them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_or_check(page: Path, sections: Mapping[str, str]) -> int:
    """Write the sections of a page, by name; with `--check` among the arguments only compare.

    Return 1 when the page lacks the comments of one, or when `--check` finds a difference.
    """
    script = f"scripts/{Path(sys.argv[0]).name}"
    before = wanted = page.read_text()
    for name, text in sections.items():
        begin, end = f"<!-- {name}: {script} -->\n", f"<!-- end of {name} -->\n"
        head, _, rest = wanted.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            print(f"{page} lacks the marks {begin.strip()} and {end.strip()}")
            return 1
        wanted = head + begin + text + end + tail
    if wanted == before:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{page} is not what the code says: run {script}")
        return 1
    page.write_text(wanted)
    return 0
