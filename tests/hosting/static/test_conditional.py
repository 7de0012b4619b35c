from __future__ import annotations

import pytest

from servescope.hosting.static.conditional import Validators, select
from servescope.wire.http_date import http_date

MTIME_S = 784111777
VALIDATORS = Validators(10, MTIME_S * 10**9 + 600_000_000)
TAG, DATE = VALIDATORS.etag, VALIDATORS.last_modified


@pytest.mark.parametrize(
    ("if_range", "now_s", "status"),
    [
        pytest.param(DATE, MTIME_S, 200, id="date-in-the-second-of-the-change"),
        pytest.param(DATE, MTIME_S + 1, 206, id="date-a-second-later"),
        pytest.param(DATE, MTIME_S - 3_600, 200, id="date-of-a-file-from-the-future"),
        pytest.param(http_date(MTIME_S - 1), MTIME_S + 60, 200, id="earlier-date"),
        pytest.param(http_date(MTIME_S + 1), MTIME_S + 60, 200, id="later-date"),
        pytest.param("yesterday", MTIME_S + 60, 200, id="no-date"),
        pytest.param(TAG, MTIME_S, 206, id="tag-in-the-second-of-the-change"),
        pytest.param("W/" + TAG, MTIME_S + 60, 200, id="weak-tag"),
        pytest.param(f"{TAG},{TAG}", MTIME_S + 60, 200, id="two-tags"),
    ],
)
def test_a_range_is_given_where_if_range_holds(if_range: str, now_s: int, status: int):
    fields = {b"range": "bytes=2-4", b"if-range": if_range}
    selection = select(
        VALIDATORS, lambda name: fields.get(name, ""), lambda: http_date(now_s), is_get=True
    )
    assert selection.status == status
