"""As many request details are kept as the settings say, and as the budget has room for."""

import pytest

from servescope.store.base import Batch, Frame
from servescope.store.sqlite.store import REQUESTS_PER_MIB, SqliteStore
from servescope.store.tiers import Retention
from tests.contracts.test_store_edges import START, detail


@pytest.mark.parametrize(
    ("size_mib", "wanted", "kept"),
    [(512, 150, 150), (16, 1_000_000, 16 * REQUESTS_PER_MIB)],
    ids=["as the settings say", "as the budget has room for"],
)
def test_only_the_newest_details_are_kept(tmp_path, size_mib, wanted, kept):
    store = SqliteStore(tmp_path, size_mib, Retention(requests=wanted))
    half = kept // 2 + 50
    store.write(Batch([Frame(START)], request_details=[detail(n) for n in range(half)]))
    store.write(Batch([Frame(START)], request_details=[detail(n) for n in range(half, 2 * half)]))
    found = store.request_details(10 * kept)
    assert [one.target for _, one in found] == [f"/{n}" for n in range(2 * half - 1, 99, -1)]
    store.close()
