"""The ASGI recorder, called as a server calls it."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from servescope.middleware.asgi import ServescopeMiddleware
from servescope.request_fields import Method, RequestFlag

GET, HEAD, POST = int(Method.GET), int(Method.HEAD), int(Method.POST)


class Client:
    """The two callables that a server hands to the app: messages in, messages out."""

    def __init__(self, *messages, gone_after=None):
        self.messages = list(messages)
        self.sent = []
        self.gone_after = gone_after

    async def receive(self):
        if not self.messages:
            await asyncio.Event().wait()  # the client says no more
        return self.messages.pop(0)

    async def send(self, message):
        if self.gone_after is not None and len(self.sent) >= self.gone_after:
            raise OSError("the client has left")
        self.sent.append(message)


def scope(path="/", kind="http", **more):
    given = {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"user-agent", b"curl")],
        "client": ("192.0.2.7", 50_000),
        "http_version": "1.1",
    }
    return given | ({"method": "GET"} if kind == "http" else {}) | more


def wrapped(recorded, app):
    return ServescopeMiddleware(app, listener="shop", data_dir=recorded.folder)


def run(app, given, *messages, **more):
    client = Client(*(messages or (request(b""),)), **more)
    asyncio.run(app(given, client.receive, client.send))
    return client.sent


def request(body, more_body=False):
    return {"type": "http.request", "body": body, "more_body": more_body}


def start(status=200):
    return {"type": "http.response.start", "status": status, "headers": []}


def body(data, more_body=False):
    return {"type": "http.response.body", "body": data, "more_body": more_body}


def answering(*messages):
    async def app(_scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        for message in messages:
            await send(message)

    return app


def test_a_request_is_recorded_and_every_message_passed_on(recorded):
    messages = [start(201), body(b"one", more_body=True), body(b"three")]
    sent = run(
        wrapped(recorded, answering(*messages)),
        scope("/orders", method="POST"),
        request(b"a" * 10, more_body=True),
        request(b"b" * 5),
    )
    assert sent == messages
    assert recorded.one() == ("shop", "/orders", POST, 201, 0, 15, 8)


def test_it_is_recorded_at_the_last_message_not_at_the_end_of_the_app(recorded):
    async def app(_scope, _receive, send):
        await send(start())
        await send(body(b"x", more_body=True))
        assert not recorded.requests()
        await send(body(b"y"))
        assert recorded.one()[6] == 2
        raise RuntimeError("in the background")

    with pytest.raises(RuntimeError):
        run(wrapped(recorded, app), scope())
    assert recorded.one()[3:5] == (200, 0)


@pytest.mark.parametrize(
    ("last", "sent"),
    [
        ({"type": "http.response.pathsend", "path": __file__}, 0),
        ({"type": "http.response.zerocopysend", "file": 3, "count": 77}, 77),
    ],
)
def test_files_sent_by_the_server_end_a_response(recorded, last, sent):
    run(wrapped(recorded, answering(start(), last)), scope())
    assert recorded.one()[3:] == (200, 0, 0, sent)


def test_unknown_messages_pass(recorded):
    messages = [{"type": "http.response.push", "path": "/x"}, start(), body(b"x")]
    assert run(wrapped(recorded, answering(*messages)), scope()) == messages
    assert recorded.one()[3] == 200


def test_head_sends_no_body(recorded):
    run(wrapped(recorded, answering(start(), body(b"not sent"))), scope(method="HEAD"))
    assert recorded.one() == ("shop", "/", HEAD, 200, 0, 0, 0)


@pytest.mark.parametrize(("messages", "status"), [((), 500), ((start(200),), 200)])
def test_an_app_that_raises(recorded, messages, status):
    async def app(_scope, _receive, send):
        for message in messages:
            await send(message)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        run(wrapped(recorded, app), scope())
    assert recorded.one()[3:5] == (status, RequestFlag.APP_ERROR)


def test_an_app_that_answers_nothing_is_a_500(recorded):
    run(wrapped(recorded, answering()), scope())
    assert recorded.one()[3:5] == (500, RequestFlag.APP_ERROR)


def test_a_cancelled_app_is_an_abort(recorded):
    begun = asyncio.Event()

    async def app(_scope, _receive, send):
        await send(start())
        begun.set()
        await asyncio.Event().wait()

    async def cancel():
        client = Client()
        task = asyncio.create_task(wrapped(recorded, app)(scope(), client.receive, client.send))
        await begun.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
    assert recorded.one()[3:5] == (200, RequestFlag.ABORTED)


def test_a_client_that_left_is_an_abort_told_by_receive(recorded):
    async def app(_scope, receive, send):
        await send(start())
        assert (await receive())["type"] == "http.disconnect"

    run(wrapped(recorded, app), scope(), {"type": "http.disconnect"})
    assert recorded.one()[3:5] == (200, RequestFlag.ABORTED)


def test_a_client_that_left_is_an_abort_told_by_send(recorded):
    app = wrapped(recorded, answering(start(), body(b"x", more_body=True), body(b"y")))
    with pytest.raises(OSError, match="left"):
        run(app, scope(), gone_after=2)
    assert recorded.one()[3:7] == (200, RequestFlag.ABORTED, 0, 1)


def test_lifespan_and_the_unknown_pass_untouched(recorded):
    seen = []

    async def app(given, receive, send):
        seen.append((given, receive, send))

    async def receive():
        raise AssertionError

    async def send(_message):
        raise AssertionError

    for kind in ("lifespan", "telepathy"):
        given = {"type": kind}
        asyncio.run(wrapped(recorded, app)(given, receive, send))
        assert seen.pop() == (given, receive, send)
    assert not recorded.rings()


def chat(*messages):
    async def app(_scope, receive, send):
        await receive()
        for message in messages:
            await send(message)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return app


CONNECT, GONE = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}


def test_a_websocket_counts_its_messages_both_ways(recorded):
    app = chat(
        {"type": "websocket.accept"},
        {"type": "websocket.send", "text": "grüße"},
        {"type": "websocket.send", "bytes": b"12"},
    )
    said = {"type": "websocket.receive", "text": "hello"}
    raw = {"type": "websocket.receive", "bytes": b"123", "text": None}
    run(wrapped(recorded, app), scope("/chat", "websocket"), CONNECT, said, raw, GONE)
    assert recorded.one() == ("shop", "/chat", GET, 101, 0, 8, 9)
    assert recorded.stages_ms()["body"] == 0


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "websocket.close"}], 403),
        ([{"type": "websocket.http.response.start", "status": 401}], 401),
        ([], 0),  # the client left before the app had answered
    ],
)
def test_a_websocket_that_is_not_accepted(recorded, messages, status):
    run(wrapped(recorded, chat(*messages)), scope("/chat", "websocket"), CONNECT, GONE)
    told = recorded.one()
    assert (told[3], told[4]) == (status, 0 if status else RequestFlag.ABORTED)


def test_a_websocket_that_its_app_leaves_without_an_answer_is_a_fault_of_the_app(recorded):
    async def app(_scope, receive, _send):
        await receive()

    run(wrapped(recorded, app), scope("/chat", "websocket"), CONNECT)
    told = recorded.one()
    assert (told[3], told[4]) == (500, RequestFlag.APP_ERROR)


async def page(_request):
    return PlainTextResponse("x")


ROUTED = Starlette(
    routes=[
        Route("/users/{number:int}", page),
        Mount("/shop", routes=[Route("/items/{number}", page)]),
        Mount("/static", app=StaticFiles(directory="assets")),
    ]
)


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/users/17", "/users/{number}", 200),
        ("/shop/items/9", "/shop/items/{number}", 200),
        ("/static/app.css", "/static/{path}", 200),
        ("/wp-login.php", "/{path}", 404),
    ],
)
def test_starlette_tells_its_route(recorded, path, route, status):
    run(wrapped(recorded, ROUTED), scope(path))
    assert (recorded.one()[1], recorded.one()[3]) == (route, status)


def test_an_app_may_tell_its_route(recorded):
    async def app(given, receive, send):
        given["servescope.route"] = "/reports/{year}"
        await answering(start(), body(b""))(given, receive, send)

    run(wrapped(recorded, app), scope("/reports/2026"))
    assert recorded.one()[1] == "/reports/{year}"


def test_the_log_gets_target_client_and_agent(recorded):
    app = wrapped(recorded, answering(start(), body(b"")))
    run(app, scope("/a", query_string=b"q=1", client=None))
    run(app, scope("/b", headers=[]))
    first, second = recorded.details()
    assert (first.target, first.client, first.user_agent) == ("/a?q=1", "", "curl")
    assert (second.target, second.client, second.user_agent) == ("/b", "192.0.2.7", "")
