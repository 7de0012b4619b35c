"""The dashboard below a path of its host, as `/scope/`: `SERVESCOPE_PATH_PREFIX`.

Within the app every path begins at `/`; below the prefix are the URLs that browsers get. Proxies
may pass the prefix on or strip it: either is served, as is whoever comes past the proxy.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from dash import get_relative_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.hosting.wsgi import StartResponse, WsgiCallable


class PathPrefixMiddleware:
    """WSGI middleware: a prefix at the front of the path goes to SCRIPT_NAME (PEP 3333).

    `prefix` has a slash in front and none at its end.
    """

    def __init__(self, app: WsgiCallable, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on; lead the bare prefix to the folder that it is."""
        path, script_name = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
        is_split = script_name.endswith(self._prefix)  # by the WSGI server
        if not is_split:
            if path == self._prefix:
                return self._redirect(environ, start_response)
            if path.startswith(f"{self._prefix}/"):
                environ["PATH_INFO"] = path.removeprefix(self._prefix)
            environ["SCRIPT_NAME"] = script_name + self._prefix
        return self._app(environ, start_response)

    def _redirect(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        location = f"{self._prefix}/" + (f"?{query}" if query else "")
        status = HTTPStatus.PERMANENT_REDIRECT
        headers = [("Location", location), ("Content-Length", "0")]
        start_response(f"{status.value} {status.phrase}", headers)
        return []


def below_prefix(path: str) -> str:
    """The URL path of a path of this app, which begins with a slash."""
    found: str = get_relative_path(path)  # type: ignore[no-untyped-call]  # Dash has no types
    return found
