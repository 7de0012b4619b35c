"""TOML as text (https://toml.io/en/v1.0.0): what a scenario file needs of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_EXACT: Final = 2**53
"""Below this each whole number is a float, too: it needs no fraction."""

_NOT_LITERAL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f']")
"""No text with one of these is written between apostrophes, where nothing is escaped."""


def table_lines(heading: str, values: Mapping[str, Any]) -> str:
    """A table below its heading, `[name]` or `[[name]]`; the top of a file has none."""
    lines = [heading] if heading else []
    return "\n".join([*lines, *(f"{_key(key)} = {_value(one)}" for key, one in values.items())])


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _escaped(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(str(value))
    if isinstance(value, int | float):
        is_whole = abs(value) < _EXACT and value == int(value)
        return repr(int(value) if is_whole else value)
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return f"[{', '.join(map(_value, value))}]"


def _string(text: str) -> str:
    """As it is where that can be read, else with escapes; a text of several lines keeps these."""
    is_literal = not _NOT_LITERAL.search(text)
    if "\n" in text and is_literal:
        return f"'''\n{text}'''"
    if "\n" in text:
        lines = "\n".join(_escaped(line)[1:-1] for line in text.split("\n"))
        return f'"""\n{lines}"""'
    if not is_literal:
        return _escaped(text)
    return f"'{text}'" if '"' in text or "\\" in text else _escaped(text)


def _escaped(text: str) -> str:
    """A basic string: its escapes are JSON's, and DEL has to be one of them."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
