"""Write the tables of `docs/findings.md` from thresholds and cases; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from marked_sections import write_or_check

from servescope.findings import Severity, findings
from servescope.findings.thresholds import THRESHOLDS
from tests.findings.cases import CASES, GROUPS

PAGE: Final = Path(__file__).parent.parent / "docs" / "findings.md"


def thresholds() -> str:
    """A row for each threshold, with its reason."""
    rows = ["| figure | warning from | bad from | why |", "| --- | --- | --- | --- |"]
    for name, threshold in THRESHOLDS.items():
        warn, bad = threshold.texts()
        rows.append(f"| {name} | {warn} | {bad} | {threshold.reason} |")
    return "\n".join(rows) + "\n"


def codes() -> str:
    """A row for each kind of finding, with the first sentence that a case gives."""
    severities: dict[str, set[Severity]] = {}
    sentences: dict[str, str] = {}
    for case in CASES.values():
        for found in findings(case.evidence, case.topic):
            severities.setdefault(found.code, set()).add(found.severity)
            sentences.setdefault(found.code, found.sentence)
    rows = ["| code | severity | for example |", "| --- | --- | --- |"]
    for code in sorted(severities):
        names = ", ".join(one for one in Severity if one in severities[code])
        rows.append(f"| `{code}` | {names} | {sentences[code]} |")
    return "\n".join(rows) + "\n"


def cases() -> str:
    """The names of all cases, by what they are about."""
    return "\n".join(f"**{title}**: {'; '.join(group)}.\n" for title, group in GROUPS.items())


if __name__ == "__main__":
    sections = {"thresholds": thresholds(), "findings": codes(), "cases": cases()}
    raise SystemExit(write_or_check(PAGE, sections))
