"""`http.route`: the route that an app tells, else a path with its variable segments folded.

A route is a label of a time series, so there may be few of them: 500 a listener (the recorder sees
to that). A path nobody serves is `UNMATCHED`, below the mount of the app that was asked, or a
scanner would use them up. Our own hosting and the recorders for other people's servers ask the
same two functions: an app has the same routes behind either.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from inspect import isclass, isroutine
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNMATCHED: Final = "/{path}"
ROUTE_KEY: Final = "servescope.route"
"""An app may put its route template here, in the environ or scope; it wins over all else."""

NOBODYS: Final = frozenset({404, 405})
"""Statuses of a path that matched no route, where nothing else tells."""

WERKZEUG_REQUEST: Final = "werkzeug.request"
"""Where werkzeug.wrappers.Request puts itself, in the environ."""

MAX_SEGMENTS: Final = 6

_FIRST_REDIRECT: Final = 300

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


def environ_route(environ: Mapping[str, Any], status: int, path: str) -> str:
    """The route of a WSGI request, as far as the app tells it at its `start_response`.

    `servescope.route`, else the rule that Werkzeug matched, else the folded `path`. Flask takes its
    request out of the environ when the app returns: ask before.
    """
    told = environ.get(ROUTE_KEY)
    if told:
        return str(told)
    request = environ.get(WERKZEUG_REQUEST)
    if request is not None:
        rule = getattr(request, "url_rule", None)
        if rule is not None:
            return _environ_mount(environ) + str(rule.rule)
        if has_no_rule(request):
            return _environ_mount(environ) + UNMATCHED
    return _environ_mount(environ) + UNMATCHED if status in NOBODYS else fold_path(path)


def _environ_mount(environ: Mapping[str, Any]) -> str:
    """Where a WSGI app is mounted, as a template: what a dispatcher has taken off the path."""
    mount = environ.get("SCRIPT_NAME")
    return fold_path(mount) if mount else ""


def has_no_rule(request: Any) -> bool:
    """Whether Flask looked for a rule and found none, whatever the app made of that.

    A 404, a 405, the redirect to a path with a slash; an error handler may answer with 200.
    """
    return getattr(request, "routing_exception", None) is not None


def scope_route(scope: Mapping[str, Any], status: int) -> str:
    """The route of an ASGI request, as far as the app tells it; empty when the path must do.

    Told by `servescope.route`, or by what Starlette and FastAPI leave in the scope: the route, else
    the endpoint with the parameters of the path.
    """
    told = scope.get(ROUTE_KEY)
    if told:
        return str(told)
    if "endpoint" not in scope and "route" not in scope and "path_params" not in scope:
        if status in NOBODYS or "app" in scope or "router" in scope:
            return _unrouted(scope, status)
        return ""
    endpoint = scope.get("endpoint")
    template = _template(scope.get("route"), endpoint)
    if "fastapi" in scope:
        template = _template(_effective_route(scope), endpoint) or template
    if template:
        return (_scope_mount(scope, template) if scope.get("root_path") else "") + template
    # Else a Mount or a Host: the app below it has matched nothing, or tells of no routes.
    if isclass(endpoint) or isroutine(endpoint) or isinstance(endpoint, partial):
        parameters = scope.get("path_params")
        return _with_parameters(scope["path"], parameters) if parameters else ""
    return _scope_mount(scope) + UNMATCHED


def _template(route: Any, endpoint: Any) -> str:
    """The template of a route that has led to this endpoint, else empty.

    A router that does not tell of its routes leaves that of the router around it in the scope.
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


def _unrouted(scope: Mapping[str, Any], status: int) -> str:
    """The route of a request for which the app has chosen none.

    A router that was asked has found nothing, whatever came of it: 404, the redirect to a path with
    a slash, a page for all the rest. Before a router (`app` is there, `router` is not) a middleware
    has answered: what it refuses, redirects or says to a preflight needs no route for each path.
    """
    is_refused = status >= _FIRST_REDIRECT or scope.get("method") == "OPTIONS"
    if status in NOBODYS or "router" in scope or ("app" in scope and is_refused):
        return _scope_mount(scope) + UNMATCHED
    return ""


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
