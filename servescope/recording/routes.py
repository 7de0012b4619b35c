"""`http.route`: the route that an app names, else a path with its variable segments folded.

A route is a label of a time series, so there may be few of them: 500 a listener (the recorder sees
to that). A path nobody serves is `UNMATCHED`, below the mount of the app that was asked, or a
scanner would use them up.

`wsgi_route` and `asgi_route` derive it, for apps that we host and for those that the recorders see
behind other people's servers alike: an app has the same routes behind either. Both are asked once a
request, when the app begins its response (an app that never does so has failed, with status 500).
They raise whatever an app's own objects raise when they are looked at.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from types import BuiltinFunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

UNMATCHED: Final = "/{path}"
ROUTE_KEY: Final = "servescope.route"
"""An app may put its route template here, in the environ or scope; it wins over all else."""

MAX_SEGMENTS: Final = 6
_NO_ROUTE_STATUSES: Final = frozenset({404, 405})
"""Statuses of a path that matched no route, where nothing else shows it."""

_NO_ROUTE_CODES: Final = frozenset(str(status) for status in _NO_ROUTE_STATUSES)

_FIRST_REDIRECT: Final = 300
_WERKZEUG_REQUEST: Final = "werkzeug.request"
"""Where werkzeug.wrappers.Request puts itself, in the environ."""

_PATH_CHARACTERS: Final = "/:@!$&'()*+,;="
"""Characters that a path has as such, beside letters, digits and -._~ (RFC 3986 section 3.3)."""

# A number, a UUID (RFC 9562), or hexadecimal of 16 digits and more (a hash, a token).
_VARIABLE = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
)


@lru_cache(maxsize=4096)
def fold_path(target: str) -> str:
    """The route of a target, e.g. `/users/{id}/notes` for `/users/17/notes?page=2`."""
    path = target.partition("?")[0]
    segments = path.split("/")
    folded = ["{id}" if _VARIABLE.fullmatch(segment) else segment for segment in segments]
    if len(folded) > MAX_SEGMENTS + 1:
        folded = [*folded[: MAX_SEGMENTS + 1], "{path}"]
    return "/".join(folded)


@lru_cache(maxsize=4096)
def _fold_text(path: str) -> str:
    """The route of a path whose percent-encoding the server has undone.

    However the client had encoded it, it is encoded anew as RFC 3986 section 6.2.2 normalises it.
    """
    return fold_path(quote(path, _PATH_CHARACTERS))


@lru_cache(maxsize=4096)
def _fold_latin1(path: str) -> str:
    """The same of a path whose bytes were decoded as latin-1 (PEP 3333).

    Raises UnicodeEncodeError for any other.
    """
    return fold_path(quote(path, _PATH_CHARACTERS, "latin-1"))


def wsgi_route(environ: Mapping[str, Any], status: str) -> str:
    """The route of a WSGI request; to be asked within the app's call of `start_response`.

    `status` is what the app calls it with, e.g. "404 Not Found". The route is that which the app
    tells in `servescope.route`, else the rule that Werkzeug matched, else the folded path. Flask
    takes its request out of the environ when the app returns.
    """
    if environ.get(ROUTE_KEY):
        return str(environ[ROUTE_KEY])
    mount: str = environ.get("SCRIPT_NAME", "")
    if _WERKZEUG_REQUEST in environ:
        request = environ[_WERKZEUG_REQUEST]
        rule = getattr(request, "url_rule", None)
        if rule is not None:
            template: str = rule.rule
            return fold_path(mount) + template if mount else template
        # Flask looked for a rule and found none, whatever the app made of that: a 404, a 405, the
        # redirect to a path with a slash; an error handler may answer with 200.
        if getattr(request, "routing_exception", None) is not None:
            return fold_path(mount) + UNMATCHED
    if status[:3] in _NO_ROUTE_CODES:
        return fold_path(mount) + UNMATCHED
    return _fold_latin1(mount + environ.get("PATH_INFO", ""))


def asgi_route(scope: Mapping[str, Any], status: int) -> str:
    """The route of an ASGI request or WebSocket; to be asked when its response begins.

    `servescope.route`, else the template of the route that Starlette or FastAPI matched, else the
    path: with its parameters in their places where an endpoint tells them, or folded.
    """
    told = scope.get(ROUTE_KEY)
    if told:
        return str(told)
    if "endpoint" in scope or "route" in scope or "path_params" in scope:
        return _matched_route(scope) or _fold_text(scope["path"])
    # The app has chosen no route. A router that was asked has found nothing, whatever came of it:
    # 404, the redirect to a path with a slash, a page for all the rest. With an app and no router,
    # a middleware answered before the router was asked.
    if (
        status in _NO_ROUTE_STATUSES
        or "router" in scope
        or ("app" in scope and _is_refusal_or_preflight(scope, status))
    ):
        return _scope_mount(scope) + UNMATCHED
    return _fold_text(scope["path"])


def _matched_route(scope: Mapping[str, Any]) -> str:
    """The route that a router has chosen; empty when it says no more than the path."""
    endpoint = scope.get("endpoint")
    template = _template(scope.get("route"), endpoint)
    if "fastapi" in scope:
        template = _template(_effective_route(scope), endpoint) or template
    if template:
        return (_scope_mount(scope, template) if scope.get("root_path") else "") + template
    # Else a Mount or a Host: the app below it has matched nothing, or shows no routes.
    if _is_handler(endpoint):
        parameters = scope.get("path_params")
        return _with_parameters(scope["path"], parameters) if parameters else ""
    return _scope_mount(scope) + UNMATCHED


def _is_handler(endpoint: Any) -> bool:
    """Whether an endpoint is a class or a function of some kind, not an app that is mounted."""
    # Else a function, be it compiled by somebody's compiler, is known by being a descriptor.
    known = isinstance(endpoint, (type, partial, MethodType, BuiltinFunctionType))
    return known or hasattr(type(endpoint), "__get__")


def _template(route: Any, endpoint: Any) -> str:
    """The template of a route that has led to this endpoint, else empty.

    A router that does not show its routes leaves that of the router around it in the scope.
    """
    handler = getattr(route, "endpoint", None)
    if handler is None or (endpoint is not None and handler is not endpoint):
        return ""
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    return template if isinstance(template, str) else ""


def _effective_route(scope: Mapping[str, Any]) -> Any:
    """FastAPI's route of a router that was included, with the prefixes that it was included under.

    Since 0.137 `route` is the router's own, without these.
    """
    told = scope.get("fastapi")
    context = told.get("effective_route_context") if isinstance(told, dict) else None
    return getattr(context, "starlette_route", None) or context


def _is_refusal_or_preflight(scope: Mapping[str, Any], status: int) -> bool:
    """Whether a middleware refused or redirected the request, or answered a preflight.

    All such answers share one route, whatever the path.
    """
    return status >= _FIRST_REDIRECT or scope.get("method") == "OPTIONS"


def _scope_mount(scope: Mapping[str, Any], template: str = "") -> str:
    """Where an ASGI app is mounted, as a template, above a route of this template."""
    root = scope.get("root_path")
    if not root:
        return ""
    parameters = {
        name: value
        for name, value in (scope.get("path_params") or {}).items()
        if f"{{{name}}}" not in template and f"{{{name}:" not in template
    }
    return fold_path(_with_parameters(root.rstrip("/"), parameters))


def _with_parameters(path: str, parameters: Mapping[str, Any]) -> str:
    """`/items/{number}` for `/items/7` with number=7."""
    names = {str(value): name for name, value in parameters.items()}
    return "/".join(
        f"{{{names[segment]}}}" if segment in names else segment for segment in path.split("/")
    )
