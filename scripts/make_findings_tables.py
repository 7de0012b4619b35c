"""Write the tables of `docs/findings.md` from thresholds and cases; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.marked_sections import write_or_check
from servescope.findings import Severity, findings
from servescope.findings.thresholds import THRESHOLDS
from tests.browser.situations import BY_PROCESS, SITUATIONS
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


def situations() -> str:
    """A row for each situation: on which page it is read, and which findings must stand there."""
    rows = ["| situation | read on | says |", "| --- | --- | --- |"]
    for one in SITUATIONS:
        codes = dict.fromkeys(code for said in one.says.values() for code in said)
        said = ", ".join(f"`{code}`" for code in codes) or "nothing of it"
        rows.append(f"| {one.name} | {', '.join(one.says)} | {said} |")
    rows += [f"| {name} | {pages} | {said} |" for name, (pages, said) in BY_PROCESS.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sections = {
        "thresholds": thresholds(),
        "findings": codes(),
        "cases": cases(),
        "situations": situations(),
    }
    raise SystemExit(write_or_check(PAGE, sections))
