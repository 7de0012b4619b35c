"""The tier that is asked for each part of a span, held against single seconds."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from servescope.store.engine.tier_choice import lacking, segments, tier_of
from servescope.store.steps import Steps
from servescope.store.tiers import TIERS

seconds = st.integers(0, 10_000)
intervals = st.lists(st.tuples(seconds, st.one_of(seconds, st.just(inf))), max_size=4)
steps = st.sampled_from([1, 30, 60, 120, 600, 3600])


@given(seconds, st.integers(0, 10_000), steps, intervals, intervals)
def test_each_second_is_asked_once_and_of_a_tier_that_has_it(start, length, step, ten, sixty):
    holes = {600: ten, 60: sixty}
    at = start
    for tier, begin, end in segments(Steps(start, start + length, step), holes):
        assert begin == at < end
        assert tier <= tier_of(step)
        assert begin % tier == end % tier == 0
        of_tier = holes.get(tier, ())
        assert not any(since < min(until, end) and begin < until for since, until in of_tier)
        at = end
    assert at == start + length


@given(seconds, st.integers(1, 10_000))
def test_where_nothing_lacks_the_coarsest_tier_tells_all_but_ragged_ends(start, length):
    seconds_of = dict.fromkeys(TIERS, 0)
    for tier, begin, end in segments(Steps(start, start + length, 3600), {60: (), 600: ()}):
        seconds_of[tier] += end - begin
    assert seconds_of[1] <= 2 * 59
    assert seconds_of[60] <= 2 * 540


@given(seconds, st.one_of(seconds, st.just(inf)), intervals)
def test_what_is_lacking_is_what_no_interval_covers(start, end, known):
    found = lacking((start, end), known)
    edges = {edge for interval in known for edge in interval if edge < inf}
    for second in {start, *edges, *range(0, 10_000, 97)}:
        lacks = start <= second < end and not any(a <= second < b for a, b in known)
        assert any(a <= second < b for a, b in found) == lacks
