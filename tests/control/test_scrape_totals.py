"""The checkpoint of the totals that scrapers see."""

from servescope.control.scrape_totals import Checkpoint


def test_of_those_who_replace_the_same_checkpoint_the_first_wins(control, other):
    assert control.scrape_totals.checkpoint() is control.scrape_totals.read() is None
    first, second = Checkpoint("a", 100), Checkpoint("a", 160)
    assert control.scrape_totals.replace(None, first, b"1")
    assert not other.scrape_totals.replace(None, second, b"2")
    assert other.scrape_totals.checkpoint() == first
    assert other.scrape_totals.replace(first, second, b"2")
    assert control.scrape_totals.read() == (second, b"2")
