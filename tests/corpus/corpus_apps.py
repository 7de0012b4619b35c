"""The targets of the corpus: apps that tell what they saw, and a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FILE_TIME_S = 1_767_225_600
"""1 January 2026, 00:00 UTC."""

LIMITS = {"max_target": 512, "max_header_count": 20, "max_head": 2_048, "max_body": 1_000}


def wsgi_echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Tells method, target, path, host and cookies in fields; gives the content back."""
    is_terminated = environ.get("wsgi.input_terminated")  # else its end is ours to know
    size = -1 if is_terminated else int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    seen = {
        "X-Method": environ["REQUEST_METHOD"],
        "X-Target": environ.get("RAW_URI") or environ.get("REQUEST_URI", ""),
        "X-Path": _printable(environ["PATH_INFO"]),
        "X-Host": environ.get("HTTP_HOST", ""),
        "X-Cookie": environ.get("HTTP_COOKIE", ""),
        "Content-Length": str(len(body)),
    }
    start_response("200 OK", list(seen.items()))
    return [body]


async def asgi_echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Do the same; a WebSocket is accepted and closed."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    if scope["type"] != "http":
        raise AssertionError(scope["type"])
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        fields.setdefault(name, []).append(value)
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    seen = {
        b"X-Method": scope["method"].encode(),
        b"X-Target": scope["raw_path"] + query,
        b"X-Path": _printable(scope["path"]).encode("latin-1", "replace"),
        b"X-Host": b",".join(fields.get(b"host", [])),
        b"X-Cookie": b"; ".join(fields.get(b"cookie", [])),
        b"Content-Length": str(len(body)).encode(),
    }
    headers = list(seen.items())
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _printable(path: str) -> str:
    """A decoded path as a field value: control characters replaced."""
    return "".join(letter if letter.isprintable() else "?" for letter in path)


def make_folder(parent: Path) -> Path:
    """The folder that README.md tells of, below `parent`."""
    folder = parent / "site"
    (folder / "sub").mkdir(parents=True)
    (parent / "secret.txt").write_bytes(b"secret\n")
    (folder / "index.html").write_bytes(b"<p>index\n")
    (folder / "hello.txt").write_bytes(b"hello, world\n")
    (folder / "a b.txt").write_bytes(b"spaced\n")
    (folder / "sub" / "page.html").write_bytes(b"<p>page\n")
    os.utime(folder / "hello.txt", (FILE_TIME_S, FILE_TIME_S))
    (folder / "outside").symlink_to(parent / "secret.txt")
    return folder
