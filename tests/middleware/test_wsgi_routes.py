"""The route and kind under which the WSGI recorder records a request."""

import pytest
from flask import Flask

from servescope.middleware.wsgi import ServescopeMiddleware
from servescope.request_fields import RequestFlag
from tests.middleware.wsgi_apps import answer, environ, ok, wrapped


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/users/17", "200 OK", "/users/{id}"),
        ("/wp-login.php", "404 Not Found", "/{path}"),
        ("/größe".encode().decode("latin-1"), "200 OK", "/gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_path_without_a_template_is_folded(recorded, path, status, route):
    answer(wrapped(recorded, ok(b"x", status=status)), environ(path))
    assert recorded.one()[1] == route


def test_an_app_may_tell_its_route(recorded):
    def app(given, start):
        given["servescope.route"] = "/reports/<year>"
        return ok(b"x")(given, start)

    answer(wrapped(recorded, app), environ("/reports/2026"))
    assert recorded.one()[1] == "/reports/<year>"


def test_flask_tells_rule_and_name(recorded):
    flask = Flask("bookshop")
    flask.add_url_rule("/books/<int:number>", view_func=lambda number: f"book {number}")
    app = ServescopeMiddleware(flask, data_dir=recorded.folder)
    assert answer(app, environ("/books/7")) == b"book 7"
    assert recorded.one()[:2] == ("bookshop", "/books/<int:number>")


@pytest.mark.parametrize(
    ("method", "status", "sent"),
    [("GET", "200 OK", 5), ("HEAD", "200 OK", 0), ("GET", "404 Not Found", 5), ("GET", "bad", 5)],
)
def test_a_kind_of_request_seen_before_is_recorded_as_at_first(recorded, method, status, sent):
    app = wrapped(recorded, ok(b"hello", status=status))
    for _ in range(3):
        answer(app, environ("/again", method))
    first, *others = recorded.requests()
    told = (500, RequestFlag.APP_ERROR) if status == "bad" else (int(status[:3]), 0)
    assert first[3:] == (*told, 0, sent)
    assert others == [first, first]


@pytest.mark.parametrize(
    ("more", "route"),
    [
        ({"SCRIPT_NAME": "/shop"}, "/shop/books/<int:number>"),
        ({"SCRIPT_NAME": None}, "/books/<int:number>"),  # PEP 3333: an empty one may be left out
        ({"servescope.route": "/told"}, "/told"),
    ],
)
def test_flasks_rule_under_a_mount_or_none(recorded, more, route):
    flask = Flask("bookshop")
    flask.add_url_rule("/books/<int:number>", view_func=lambda number: f"book {number}")
    app = wrapped(recorded, flask)
    for _ in range(2):
        given = {
            name: value for name, value in environ("/books/7", **more).items() if value is not None
        }
        answer(app, given)
    assert [one[1] for one in recorded.requests()] == [route, route]
