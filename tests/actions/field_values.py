"""The values that a browser may send for a field, whatever the page offers."""

from __future__ import annotations

from hypothesis import strategies as st

TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(["/", "0", "-1", "1e999", "9" * 5_000]))
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
FIELDS = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
