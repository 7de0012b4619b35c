"""Search: every word must occur, titles rank first, the bundled glossary is whole."""

from __future__ import annotations

import pytest

from servescope.demo.search import MAX_RESULTS, Entry, load_glossary, search

ENTRIES = (
    Entry("backlog", "how many may wait in the accept queue", "a"),
    Entry("accept queue", "connections that wait", "b"),
    Entry("Straße", "a road", "c"),
)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("queue", ["accept queue", "backlog"]),
        ("QUEUE  accept", ["accept queue", "backlog"]),
        ("queue many", ["backlog"]),
        ("strasse", ["Straße"]),
        ("queue road", []),
        ("", []),
        ("  \t", []),
    ],
)
def test_finds(query, titles):
    assert [entry.title for entry in search(query, ENTRIES)] == titles


def test_is_bounded():
    many = [Entry(str(number), "same", "") for number in range(3 * MAX_RESULTS)]
    assert search("same", many) == many[:MAX_RESULTS]


def test_each_glossary_term_finds_itself():
    glossary = load_glossary()
    assert len({entry.title for entry in glossary}) == len(glossary) >= 40
    for entry in glossary:
        assert entry in search(entry.title, glossary)
        assert entry.text.endswith(".")
        assert entry.source


def test_the_glossary_is_in_order():
    titles = [entry.title.casefold() for entry in load_glossary()]
    assert titles == sorted(titles)
