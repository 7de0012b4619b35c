"""The page that lists a folder: names, sizes, dates."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Index of {path}</title>
<style>:root{{color-scheme:light dark}}\
body{{font:15px/1.6 system-ui,sans-serif;max-width:60rem;\
margin:2rem auto;padding:0 1rem}}h1{{font-size:1.25rem}}table{{\
border-collapse:collapse;width:100%}}\
th,td{{text-align:left;padding:.15rem 1rem .15rem 0}}th{{border-bottom:1px solid #8888}}\
.n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}</style></head>
<body><h1>Index of {path}</h1>
<table><thead><tr><th>Name</th><th class="n">Size</th><th class="n">Modified (UTC)</th></tr></thead>
<tbody>
{rows}</tbody></table></body></html>
"""
_ROW = (
    '<tr><td><a href="{href}">{name}</a></td><td class="n">{size}</td><td class="n">{date}</td>'
    "</tr>\n"
)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder; size in bytes."""

    name: str
    is_folder: bool
    size: int
    mtime_s: float


def read_entries(descriptor: int, folder: str, leads_outside: Callable[[str], bool]) -> list[Entry]:
    """Folders first, then files, each by name, without those that cannot be served.

    The folder is the one that is open as `descriptor`, whatever has taken the place of its path
    `folder` since. `leads_outside(path)` tells whether a symbolic link leaves the root. Raises
    OSError.
    """
    entries = []
    with os.scandir(descriptor) as found:
        for item in found:
            try:
                if item.is_symlink() and leads_outside(f"{folder}/{item.name}"):
                    continue
                status = item.stat()
            except OSError:  # gone since, or a link into nowhere
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if is_folder or stat.S_ISREG(status.st_mode):
                entries.append(Entry(item.name, is_folder, status.st_size, status.st_mtime))
    return sorted(entries, key=lambda entry: (not entry.is_folder, entry.name))


def readable_size(size: int) -> str:
    """A size in bytes with a binary unit, three digits: `1.46 KiB`."""
    value = float(size)
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            return f"{size} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= _STEP
    raise AssertionError


def listing_page(path: str, entries: list[Entry]) -> bytes:
    """The page for the folder at the URL path `path` (decoded, with its closing slash)."""
    rows = []
    if path != "/":
        rows.append(_ROW.format(href="../", name="../", size="", date=""))
    for entry in entries:
        closing = "/" if entry.is_folder else ""
        # "./": a name such as `a:b` must not read as a scheme (RFC 3986 section 4.2).
        href = "./" + quote(os.fsencode(entry.name)) + closing
        shown = os.fsencode(entry.name).decode("utf-8", "replace") + closing
        date = datetime.fromtimestamp(entry.mtime_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        size = "" if entry.is_folder else readable_size(entry.size)
        rows.append(_ROW.format(href=escape(href), name=escape(shown), size=size, date=date))
    return _PAGE.format(path=escape(path), rows="".join(rows)).encode("utf-8", "replace")
