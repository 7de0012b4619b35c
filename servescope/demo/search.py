"""Search over the bundled glossary and the notes: every word of the query must occur."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SITE = Path(__file__).parent / "site"
MAX_RESULTS = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be found; `source` says where it comes from, such as an RFC section."""

    title: str
    text: str
    source: str


def load_glossary() -> tuple[Entry, ...]:
    """Read the bundled glossary, the same file that the static site serves."""
    terms = json.loads((SITE / "data" / "glossary.json").read_text("utf-8"))
    return tuple(Entry(term["term"], term["text"], term["source"]) for term in terms)


def search(query: str, entries: Iterable[Entry]) -> list[Entry]:
    """At most `MAX_RESULTS` entries that hold every word, case folded; hits in titles first.

    A query without a word finds nothing.
    """
    words = query.casefold().split()
    if not words:
        return []
    ranked: list[tuple[int, Entry]] = []
    for entry in entries:
        title, text = entry.title.casefold(), entry.text.casefold()
        if all(word in title or word in text for word in words):
            ranked.append((-sum(word in title for word in words), entry))
    ranked.sort(key=lambda pair: pair[0])  # stable: the collection's own order within a rank
    return [entry for _, entry in ranked[:MAX_RESULTS]]
