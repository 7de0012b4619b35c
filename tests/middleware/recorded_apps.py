"""Apps of other people, with the one line added."""

import asyncio
import os
import threading
import time

from flask import Flask, Response, request, send_file
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from servescope.middleware import asgi, wsgi

BLOCK = b"x" * 1000
BLOCKS = 10

flask = Flask("shop")


@flask.get("/users/<int:number>")
def user(number):
    return f"user {number} of process {os.getpid()}"


@flask.post("/orders")
def order():
    return Response(f"{len(request.get_data())}", 201)


@flask.get("/stream")
def stream():
    return Response(BLOCK for _ in range(BLOCKS))


@flask.get("/file")
def file():
    return send_file(__file__, mimetype="text/plain")


@flask.get("/error")
def error():
    raise RuntimeError("the app failed")


@flask.get("/endless")
def endless():
    def blocks():
        while True:
            yield BLOCK * 64

    return Response(blocks())


wsgi_app = wsgi.ServescopeMiddleware(flask)


async def starlette_user(request):
    return PlainTextResponse(f"user {request.path_params['number']}")


async def starlette_order(request):
    return PlainTextResponse(str(len(await request.body())), 201)


async def starlette_stream(_request):
    async def blocks():
        for _ in range(BLOCKS):
            yield BLOCK

    return StreamingResponse(blocks())


async def starlette_error(_request):
    raise RuntimeError("the app failed")


async def endless_stream(_request):
    async def blocks():
        while True:
            yield BLOCK * 64
            await asyncio.sleep(0.001)  # else nobody else runs once the client has left

    return StreamingResponse(blocks())


async def chat(websocket):
    await websocket.accept()
    text = await websocket.receive_text()
    await websocket.send_text(text * 2)
    await websocket.close()


async def refuse(websocket):
    await websocket.close()


started = threading.Event()


async def begin(scope, receive, send):
    """Starlette below, and a lifespan that tells it ran."""
    if scope["type"] == "lifespan":
        started.set()
    await starlette(scope, receive, send)


starlette = Starlette(
    routes=[
        Route("/users/{number:int}", starlette_user),
        Route("/orders", starlette_order, methods=["POST"]),
        Route("/stream", starlette_stream),
        Route("/error", starlette_error),
        Route("/endless", endless_stream),
        Mount("/shop", routes=[Route("/items/{number:int}", starlette_user)]),
        WebSocketRoute("/chat", chat),
        WebSocketRoute("/refused", refuse),
    ]
)
asgi_app = asgi.ServescopeMiddleware(begin, listener="starlette")


def sleepy(_environ, start_response):
    time.sleep(0.3)  # the app's own work
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


slow_app = wsgi.ServescopeMiddleware(sleepy)
