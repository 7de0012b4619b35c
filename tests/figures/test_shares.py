"""Shares beside each other add up, and none says what another denies."""

import numpy as np
import pytest

from servescope.figures.shares import share_texts


@pytest.mark.parametrize(
    ("shares", "shown"),
    [
        ([], []),
        ([1.0], ["100 %"]),
        ([1.0, 0.0], ["100 %", "0 %"]),
        ([0.75, 0.25], ["75 %", "25 %"]),
        ([0.9964, 0.0036], ["99.6 %", "0.4 %"]),
        ([0.99997, 0.00003], ["> 99.9 %", "< 0.1 %"]),
        ([0.99996, 0.00002, 0.00002], ["> 99.9 %", "< 0.1 %", "< 0.1 %"]),
        ([1 / 3, 1 / 3, 1 / 3], ["33.4 %", "33.3 %", "33.3 %"]),
        ([0.978, 0.0166, 0.0051, 0.0003], ["97.8 %", "1.7 %", "0.5 %", "< 0.1 %"]),
        ([0.5, 0.2004], ["50 %", "20 %"]),  # others are not shown
        ([0.9998, 0.0], ["> 99.9 %", "0 %"]),
        ([0.419, 0.03, 0.551], ["41.9 %", "3.0 %", "55.1 %"]),
    ],
)
def test_shares_of_one_whole(shares, shown):
    assert share_texts(shares) == shown


def test_whatever_the_shares_their_texts_add_up_to_all():
    random = np.random.default_rng(7)
    for size in (1, 2, 3, 6, 30):
        for _ in range(200):
            parts = random.lognormal(0, 3, size)
            texts = share_texts((parts / parts.sum()).tolist())
            tenths = [0 if "<" in text else round(10 * float(text.strip("> %"))) for text in texts]
            # Of one that is all but something so small, a tenth is said to be missing at most.
            assert sum(tenths) in {1_000, 1_000 - any(">" in text for text in texts)}
