"""Content types by file name: the same on every machine, whatever its mime.types says."""

from __future__ import annotations

from mimetypes import MimeTypes
from typing import Final

_TYPES: Final = MimeTypes(filenames=())
for _suffix, _type in (
    (".avif", "image/avif"),
    (".js", "text/javascript"),
    (".json", "application/json"),
    (".map", "application/json"),
    (".md", "text/markdown"),
    (".mjs", "text/javascript"),
    (".mp4", "video/mp4"),
    (".svg", "image/svg+xml"),
    (".wasm", "application/wasm"),
    (".webm", "video/webm"),
    (".webmanifest", "application/manifest+json"),
    (".webp", "image/webp"),
    (".woff", "font/woff"),
    (".woff2", "font/woff2"),
):
    _TYPES.add_type(_type, _suffix)

_ENCODED: Final = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/octet-stream",
    "compress": "application/octet-stream",
}


def content_type(name: str) -> str:
    """The Content-Type of a file; text is UTF-8, a compressed file is what it is."""
    guessed, encoding = _TYPES.guess_type("x/" + name.rpartition("/")[2])
    if encoding is not None:
        return _ENCODED.get(encoding, "application/octet-stream")
    if guessed is None:
        return "application/octet-stream"
    return guessed + "; charset=utf-8" if guessed.startswith("text/") else guessed
