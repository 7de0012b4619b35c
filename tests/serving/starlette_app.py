"""A Starlette app as people write them, hosted over the wire by the tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

done: list[str] = []


async def item(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["id"], "pool": request.state.pool})


async def upload(request: Request) -> Response:
    size = 0
    async for part in request.stream():
        size += len(part)
    return PlainTextResponse(str(size))


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"z" * 10_000

    return StreamingResponse(parts())


def threaded(_request: Request) -> Response:
    return PlainTextResponse("from a thread", background=BackgroundTask(done.append, "background"))


async def own_file(_request: Request) -> Response:
    return FileResponse(__file__)


async def shout(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())
    done.append("socket")


class Stamp(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Stamp"] = "yes"
        return response


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, object]]:
    done.append("startup")
    yield {"pool": 5}
    done.append("shutdown")


app = Starlette(
    routes=[
        Route("/items/{id:int}", item),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/thread", threaded),
        Route("/file", own_file),
        WebSocketRoute("/ws/{room}", shout),
        Mount("/users/{user}", routes=[Route("/notes/{id}", item)]),
        Mount("/static", StaticFiles(directory="servescope/demo/static")),
    ],
    middleware=[Middleware(Stamp)],
    lifespan=lifespan,
)
