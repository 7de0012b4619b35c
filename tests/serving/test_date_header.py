"""The Date header field follows the wall clock, also when that is set back."""

from __future__ import annotations

import pytest

from servescope.serving import date_header as module
from servescope.wire.http_date import http_date

SECOND_NS = 1_000_000_000
HALF_NS = SECOND_NS // 2


@pytest.mark.parametrize("epoch_s", [1_000, 1_001, 999, 5_000])
def test_it_is_the_date_of_the_second(monkeypatch: pytest.MonkeyPatch, epoch_s: int):
    wall_ns = [1_000 * SECOND_NS + HALF_NS]
    monkeypatch.setattr(module, "time_ns", lambda: wall_ns[0])
    date = module.date_header()
    assert date(7) == (http_date(1_000).encode(), 7 + HALF_NS)
    wall_ns[0] = epoch_s * SECOND_NS
    expected = http_date(epoch_s).encode(), 7 + HALF_NS + SECOND_NS
    assert date(7 + HALF_NS) == expected


def test_within_a_second_it_is_the_same_object(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "time_ns", lambda: 1_000 * SECOND_NS + HALF_NS)
    date = module.date_header()
    first = date(7)
    monkeypatch.setattr(module, "time_ns", lambda: 5_000 * SECOND_NS)
    assert date(7 + HALF_NS - 1) is first
    assert date(7 + HALF_NS) is not first
