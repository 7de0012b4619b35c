"""Apps of real frameworks with routers in routers, and apps mounted in apps; plain ones beside."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from fastapi.staticfiles import StaticFiles
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from servescope.middleware import asgi, wsgi
from servescope.records.listeners import AppKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

STATIC = Path("servescope/demo/static").absolute()


async def page(_request: Request) -> Response:
    return PlainTextResponse("x")


async def give_up(_request: Request) -> Response:
    return PlainTextResponse("nothing", 404)


inner = Starlette(routes=[Route("/i/{j}", page), Route("/lost/{j}", give_up)])


def fastapi_app() -> FastAPI:
    items, deep = APIRouter(), APIRouter(prefix="/deep")

    @items.get("/items/{number}")
    async def item(number: int) -> int:
        if not number:
            raise HTTPException(404)
        return number

    @deep.get("/x/{name}")
    async def named(name: str) -> str:
        return name

    @items.websocket("/socket/{room}")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    items.add_route("/plain/{part}", page)
    items.include_router(deep, prefix="/mid")
    sub = FastAPI()
    sub.include_router(items, prefix="/api")
    app = FastAPI()
    app.include_router(items, prefix="/api")
    app.include_router(items, prefix="/tenant/{tenant}")
    app.add_route("/of-starlette/{part}", page)
    app.mount("/sub", sub)
    app.mount("/users/{user}", inner)
    app.mount("/mid", Starlette(routes=[Mount("/m2", inner), Route("/z/", page)]))
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def starlette_app() -> Starlette:
    async def anything(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("a page for all the rest")

    friendly = Starlette(routes=[Route("/known", page)], exception_handlers={404: anything})
    return Starlette(
        routes=[
            Route("/items/{number:int}", page),
            Mount("/m1/{tenant}", routes=[Mount("/m2", inner), Route("/z", page)]),
            Mount("/api", fastapi_app()),
            Mount("/friendly", friendly),
            Host("{name}.example", inner),
            Mount("/", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["https://a.example"])],
    )


def flask_app() -> Flask:
    app = Flask("shop", static_folder=str(STATIC))
    books = Blueprint("books", "shop", url_prefix="/books")
    books.add_url_rule("/<int:number>", view_func=lambda number: f"{number}")
    books.add_url_rule("/list/", view_func=lambda: "list", endpoint="list")
    books.add_url_rule("/gone/<name>", view_func=lambda name: (name, 404), endpoint="gone")
    authors = Blueprint("authors", "shop", url_prefix="/authors")
    authors.add_url_rule("/<name>", view_func=lambda name: name, endpoint="author")
    books.register_blueprint(authors)
    app.register_blueprint(books)
    return app


def friendly_flask_app() -> Flask:
    app = flask_app()
    app.register_error_handler(404, lambda _error: ("a page for all the rest", 200))
    return app


def dispatcher() -> DispatcherMiddleware:
    return DispatcherMiddleware(
        flask_app(), {"/shop": flask_app(), "/friendly": friendly_flask_app()}
    )


def django_app() -> Any:
    return importlib.import_module("tests.serving.django_app").application


def plain_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answers by the path's first segment: 404 for `lost`; no answer at all for `fails`."""
    kind = environ["PATH_INFO"].split("/")[1]
    if kind.startswith("told"):
        environ["servescope.route"] = "/told/<by>/<app>"
    if kind.endswith("fails"):
        raise RuntimeError(kind)
    start_response("404 Not Found" if kind == "lost" else "200 OK", [])
    if kind == "later":
        environ["servescope.route"] = "/too/late"
    return [b"x"]


async def plain_asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same; it accepts a WebSocket but for `lost`, which it refuses, and `denied`."""
    if scope["type"] == "lifespan":
        return
    kind = scope["path"].split("/")[1]
    if kind.startswith("told"):
        scope["servescope.route"] = "/told/<by>/<app>"
    if kind.endswith("fails"):
        raise RuntimeError(kind)
    await receive()
    if scope["type"] == "websocket" and kind != "denied":
        if kind != "lost":
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    prefix = "websocket." if scope["type"] == "websocket" else ""
    status = {"lost": 404, "denied": 401}.get(kind, 200)
    await send({"type": prefix + "http.response.start", "status": status, "headers": []})
    if kind == "later":
        scope["servescope.route"] = "/too/late"
    await send({"type": prefix + "http.response.body", "body": b"x"})


APPS: Final[dict[str, tuple[AppKind, Callable[[], Any]]]] = {
    "fastapi": (AppKind.ASGI, fastapi_app),
    "starlette": (AppKind.ASGI, starlette_app),
    "plain ASGI": (AppKind.ASGI, lambda: plain_asgi),
    "flask": (AppKind.WSGI, flask_app),
    "dispatcher": (AppKind.WSGI, dispatcher),
    "django": (AppKind.WSGI, django_app),
    "plain WSGI": (AppKind.WSGI, lambda: plain_wsgi),
}


def recorded(name: str, data_dir: str) -> Any:
    """One of the apps behind a recorder, in whichever process a model makes it."""
    kind, make = APPS[name]
    module = asgi if kind is AppKind.ASGI else wsgi
    return module.ServescopeMiddleware(make(), data_dir=data_dir)
