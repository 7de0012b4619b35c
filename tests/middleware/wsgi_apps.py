"""WSGI apps, recorded and called as a server calls them."""

from wsgiref.util import setup_testing_defaults

from servescope.middleware.wsgi import ServescopeMiddleware


def environ(path="/", method="GET", **more):
    given = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "SERVER_PROTOCOL": "HTTP/1.1",
        **more,
    }
    setup_testing_defaults(given)
    given.setdefault("QUERY_STRING", "")
    return given


def start_response(_status, _headers, _exc_info=None):
    return lambda _data: None


def wrapped(recorded, app):
    return ServescopeMiddleware(app, listener="shop", data_dir=recorded.folder)


def answer(app, given):
    """All of the body, then close: what a server does."""
    result = app(given, start_response)
    try:
        return b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close:
            close()


def ok(*blocks, status="200 OK", headers=()):
    def app(_environ, start):
        start(status, [("Content-Type", "text/plain"), *headers])
        return list(blocks)

    return app


class Rule:
    def __init__(self, rule):
        self.rule = rule


class Matched:
    """A request as Flask leaves it in the environ, once it has matched a rule, or none."""

    def __init__(self, rule, routing_exception=None):
        self.url_rule = None if rule is None else Rule(rule)
        self.routing_exception = routing_exception


class Sized:
    """A body that is no list and can tell how many blocks it has."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __len__(self):
        return len(self.blocks)

    def __iter__(self):
        return iter(self.blocks)
