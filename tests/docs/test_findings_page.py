"""`docs/findings.md` lists the thresholds, the findings and the cases that there are."""

import re

import pytest

from servescope.findings import findings
from servescope.findings.thresholds import THRESHOLDS
from tests.findings.cases import CASES
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "findings.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ")
]


def test_the_thresholds_are_those_of_the_code():
    told = {row[0]: tuple(row[1:]) for row in ROWS if len(row) == 4 and row[0] in THRESHOLDS}
    assert told == {name: (*one.texts(), one.reason) for name, one in THRESHOLDS.items()}


def test_every_finding_is_listed_with_its_severities():
    found = [one for case in CASES.values() for one in findings(case.evidence)]
    given = {
        code: {one.severity.value for one in found if one.code == code}
        for code in {one.code for one in found}
    }
    listed = {
        row[0].strip("`"): set(row[1].split(", ")) for row in ROWS if row[0].strip("`") in given
    }
    assert listed == given


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_listed(name):
    assert re.search(rf"(?:\*\*: |; ){re.escape(name)}[;.]", PAGE.replace("\n", " "))
