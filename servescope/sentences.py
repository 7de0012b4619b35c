"""How texts and numbers become sentences of a page."""

from __future__ import annotations


def capitalized(text: object) -> str:
    """With a capital letter: an error's text begins small, since it may stand behind a colon."""
    told = str(text)
    return told[:1].upper() + told[1:]


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number of things, as `1 request` and `2,000 requests`; `plural`: one that is not just s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
