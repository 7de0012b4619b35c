"""How a text becomes a sentence of a page."""

from __future__ import annotations


def capitalized(text: object) -> str:
    """With a capital letter: an error's text begins small, since it may stand behind a colon."""
    told = str(text)
    return told[:1].upper() + told[1:]
