"""Against the table of every textbook."""

from __future__ import annotations

import pytest

from servescope.statistics.student_t import distribution, quantile, widening


@pytest.mark.parametrize(
    ("degrees", "q", "expected"),
    [
        (1, 0.975, 12.7062), (2, 0.975, 4.3027), (5, 0.975, 2.5706), (10, 0.995, 3.1693),
        (30, 0.95, 1.6973), (3, 0.025, -3.1824), (120, 0.975, 1.9799), (4, 0.5, 0.0),
    ],
)  # fmt: skip
def test_quantiles(degrees: int, q: float, expected: float) -> None:
    assert quantile(q, degrees) == pytest.approx(expected, abs=1e-4)


def test_the_distribution_of_one_degree_is_cauchys() -> None:
    assert distribution(1.0, 1) == pytest.approx(0.75)
    assert distribution(-1.0, 1) == pytest.approx(0.25)


def test_widening_vanishes_with_many_degrees() -> None:
    assert widening(0.95, 1) == pytest.approx(12.7062 / 1.95996, rel=1e-4)
    assert widening(0.95, 10_000) == pytest.approx(1.0, abs=1e-3)
