"""The table of stages: shares that add up, and what is not measured."""

import math

from components.stage_table import stage_table
from servescope.queries.rows import StageRow
from tests.components.test_parts import texts

ROWS = (
    StageRow("kernel", *[math.nan] * 5),
    StageRow("queue", 44.158, 43.296, 64.0, 64.0, 0.99515),
    StageRow("app", 0.214, 0.201, 0.261, 0.338, 0.00482),
    StageRow("write", 0.00033, 0.000019, 0.00079, 0.0041, 0.00003),
)


def test_shares_do_not_deny_each_other_and_zeros_that_nobody_measured_are_none():
    shown = texts(stage_table(ROWS, empty="nothing"))
    assert shown[shown.index("kernel") + 1 :][:5] == ["not measured", *["—"] * 4]
    shares = [shown[shown.index(stage) + 1] for stage in ("queue", "app", "write")]
    assert shares == ["99.5 %", "0.5 %", "< 0.1 %"]
    assert shown[shown.index("queue") + 2 :][:3] == ["44.2 s", "43.3 s", "≥ 64 s"]


def test_without_a_row_it_says_why():
    assert texts(stage_table((), empty="No requests.")) == ["No requests."]
