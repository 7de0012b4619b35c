from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from servescope.recording.routes import asgi_route, fold_path, wsgi_route


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/", "/"),
        ("/a/b?c=1", "/a/b"),
        ("/users/17/notes", "/users/{id}/notes"),
        ("/x/6f9619ff-8b86-d011-b42d-00c04fc964ff", "/x/{id}"),
        ("/blob/0123456789abcdef", "/blob/{id}"),
        ("/blob/0123456789abcde", "/blob/0123456789abcde"),
        ("/v2/x", "/v2/x"),
        ("/1/2/3/4/5/6/7/8/9", "/{id}/{id}/{id}/{id}/{id}/{id}/{path}"),
        ("*", "*"),
    ],
)
def test_variable_segments_are_folded(target: str, route: str):
    assert fold_path(target) == route


ROUTE = SimpleNamespace(endpoint=print, path="/items/{id:int}", path_format="/items/{id}")
MOUNT = SimpleNamespace(path="/static", app=object())


@pytest.mark.parametrize(
    ("extra", "status", "route"),
    [
        ({}, 200, "/items/{id}"),
        ({}, 404, "/{path}"),
        ({"root_path": "/app/"}, 404, "/app/{path}"),
        ({"servescope.route": "/told"}, 404, "/told"),
        ({"route": ROUTE}, 200, "/items/{id}"),
        ({"route": ROUTE, "root_path": "/users/17"}, 200, "/users/{id}/items/{id}"),
        ({"route": MOUNT, "root_path": "/static"}, 200, "/static/{path}"),
        ({"route": MOUNT, "root_path": "/static", "endpoint": MOUNT.app}, 404, "/static/{path}"),
        # A router below that tells of no routes: the Mount is not how its endpoint was found.
        (
            {"route": MOUNT, "root_path": "/items", "endpoint": print, "path_params": {"id": 7}},
            200,
            "/items/{id}",
        ),
        ({"endpoint": print, "path_params": {"id": 7}}, 200, "/items/{id}"),
        ({"endpoint": print, "path_params": {}}, 404, "/items/{id}"),
        ({"app": 1, "router": 1}, 307, "/{path}"),
        ({"app": 1, "router": 1}, 200, "/{path}"),
        ({"app": 1}, 401, "/{path}"),
        ({"app": 1}, 307, "/{path}"),
        ({"app": 1, "method": "OPTIONS"}, 200, "/{path}"),
        ({"app": 1, "method": "GET"}, 200, "/items/{id}"),
        ({"fastapi": {}, "route": ROUTE}, 200, "/items/{id}"),
        ({"fastapi": None, "route": None, "path_params": None}, 404, "/{path}"),
    ],
)
def test_the_route_of_an_asgi_app(extra: dict[str, Any], status: int, route: str):
    assert asgi_route({"path": "/items/7", "root_path": "", **extra}, status) == route


@pytest.mark.parametrize(
    ("root", "parameters", "template", "mount"),
    [
        ("/shop", {"item": "shop"}, "/{item}", "/shop"),
        ("/shop", {"item": "shop"}, "/{item:int}", "/shop"),
        ("/t/acme", {"tenant": "acme", "item": "x"}, "/{item}", "/t/{tenant}"),
        ("/t/7", {"tenant": 7, "item": "x"}, "/{item}", "/t/{tenant}"),
        ("/t/007", {"tenant": 7, "item": "x"}, "/{item}", "/t/{id}"),
    ],
)
def test_a_mount_with_parameters_is_a_template(
    root: str, parameters: dict[str, Any], template: str, mount: str
):
    route = SimpleNamespace(endpoint=print, path=template)
    scope = {"path": f"{root}/x", "root_path": root, "route": route, "path_params": parameters}
    assert asgi_route(scope, 200) == mount + template


FOUND = SimpleNamespace(url_rule=SimpleNamespace(rule="/b/<int:n>"), routing_exception=None)
LOST = SimpleNamespace(url_rule=None, routing_exception=LookupError())


@pytest.mark.parametrize(
    ("extra", "status", "route"),
    [
        ({}, 200, "/a/{id}"),
        ({}, 404, "/{path}"),
        ({"SCRIPT_NAME": "/shop"}, 405, "/shop/{path}"),
        ({"SCRIPT_NAME": "/t/17"}, 404, "/t/{id}/{path}"),
        ({"servescope.route": "/told", "SCRIPT_NAME": "/shop"}, 404, "/told"),
        ({"werkzeug.request": FOUND}, 404, "/b/<int:n>"),
        ({"werkzeug.request": FOUND, "SCRIPT_NAME": "/t/17"}, 200, "/t/{id}/b/<int:n>"),
        ({"werkzeug.request": LOST}, 308, "/{path}"),
        ({"werkzeug.request": LOST}, 200, "/{path}"),
        ({"werkzeug.request": object()}, 200, "/a/{id}"),
    ],
)
def test_the_route_of_a_wsgi_app(extra: dict[str, Any], status: int, route: str):
    assert wsgi_route({"PATH_INFO": "/a/7", **extra}, f"{status} X") == route


class Callable:
    def method(self): ...

    def __call__(self): ...


@pytest.mark.parametrize(
    "endpoint",
    [print, fold_path, Callable, Callable().method, partial(print), test_the_route_of_a_wsgi_app],
    ids=["builtin", "cached", "class", "method", "partial", "function"],
)
def test_an_endpoint_without_a_template_is_known_by_its_path(endpoint: Any):
    scope = {"path": "/items/7", "endpoint": endpoint, "path_params": {"number": 7}}
    assert asgi_route(scope, 200) == "/items/{number}"
    mounted = {**scope, "endpoint": Callable(), "root_path": "/items"}
    assert asgi_route(mounted, 200) == "/items/{path}"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/a b/7", "/a%20b/{id}"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/~u/a:b@c,d;e=1", "/~u/a:b@c,d;e=1"),
        ("/100%/a?b", "/100%25/a%3Fb"),
    ],
)
def test_a_path_is_encoded_alike_whatever_the_protocol_and_the_client(path: str, route: str):
    assert asgi_route({"path": path}, 200) == route
    assert wsgi_route({"PATH_INFO": path.encode().decode("latin-1")}, "200 OK") == route
    mount, _, rest = path.encode().decode("latin-1").rpartition("/")
    assert wsgi_route({"SCRIPT_NAME": mount, "PATH_INFO": f"/{rest}"}, "200 OK") == route
