"""The Date header field follows the wall clock, also when that is set back."""

from __future__ import annotations

import pytest

from servescope.serving import date_header as module
from servescope.wire.http_date import http_date


@pytest.mark.parametrize("now", [1_000.0, 1_000.999, 1_001.0, 999.5, 5_000.25])
def test_it_is_the_date_of_the_second(monkeypatch: pytest.MonkeyPatch, now: float):
    clock = [1_000.5]
    monkeypatch.setattr(module, "time", lambda: clock[0])
    date = module.date_header()
    assert date() == http_date(1_000).encode()
    clock[0] = now
    assert date() == http_date(int(now)).encode()


def test_within_a_second_it_is_the_same_object(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "time", lambda: 1_000.5)
    date = module.date_header()
    assert date() is date()
