"""A login and a form, as most web apps have them: a signed session cookie, a token, validation.

Anybody may log in, under any name: there is nothing to protect. It shows the way of the requests: a
refused form is 422, an accepted one 303 to a page that a reload may repeat.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import BadRequest

from servescope.demo.session_key import session_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Request
    from werkzeug.wrappers import Response

LONGEST_NAME: Final = 30
SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 200
MOST_STARS: Final = 5
KEPT: Final = 20
CSRF_FIELD: Final = "csrf_token"
_NAME: Final = re.compile(r"\w[\w .'-]*")

accounts = Blueprint("accounts", __name__)


@dataclass(frozen=True, slots=True)
class Rating:
    """A person's opinion of this server."""

    name: str
    stars: int
    reason: str


class Ratings:
    """The newest ratings, in memory; any thread may add and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: deque[Rating] = deque(maxlen=KEPT)

    def add(self, rating: Rating) -> None:
        """Keep one; the oldest beyond the bound goes."""
        with self._lock:
            self._newest.appendleft(rating)

    def all(self) -> list[Rating]:
        """Newest first."""
        with self._lock:
            return list(self._newest)


class LazyKeySessions(SecureCookieSessionInterface):
    """Flask's signed cookies, whose key is made with the first session, not with the app."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie; without one there is nothing to verify, and no key is needed."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> Any:
        """Sign with the app's key, made now where there is none."""
        if not app.secret_key:
            app.secret_key = session_key()
        return super().get_signing_serializer(app)


def add_accounts(app: Flask) -> None:
    """Give an app the login and the form."""
    app.session_interface = LazyKeySessions()
    app.config["SESSION_COOKIE_NAME"] = "servescope_demo"  # cookies are not told apart by port
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.extensions["ratings"] = Ratings()
    app.register_blueprint(accounts)
    app.jinja_env.globals["csrf_token"] = csrf_token


def csrf_token() -> str:
    """The token of this session, which a form has to send back."""
    if CSRF_FIELD not in session:
        session[CSRF_FIELD] = secrets.token_urlsafe(24)
    return str(session[CSRF_FIELD])


@accounts.before_request
def check_token() -> None:
    """Refuse a form that none of our pages sent for this session."""
    if request.method != "POST":
        return
    given, known = request.form.get(CSRF_FIELD, ""), str(session.get(CSRF_FIELD, ""))
    if not known or not hmac.compare_digest(given.encode(), known.encode()):
        raise BadRequest("This form is not from a page of this session: open it again, then send.")


@accounts.after_request
def keep_private(response: Response) -> Response:
    """Pages of a session are nobody else's."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@accounts.get("/login")
def login_form() -> str:
    """Ask for a name."""
    return render_template("login.html", name="", faults={})


@accounts.post("/login")
def login() -> Response | tuple[str, int]:
    """Begin a session under a name; a new token comes with it."""
    name = " ".join(request.form.get("name", "").split())
    faults = name_faults(name)
    if faults:
        page = render_template("login.html", name=name, faults=faults)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    session.clear()  # nothing of an earlier visitor, and no token that somebody else fixed
    session["name"] = name
    return redirect(url_for("accounts.rating_form"), HTTPStatus.SEE_OTHER)


@accounts.post("/logout")
def logout() -> Response:
    """End the session: the cookie is taken back."""
    session.clear()
    return redirect(url_for("accounts.login_form"), HTTPStatus.SEE_OTHER)


@accounts.get("/rating")
def rating_form() -> Response | str:
    """The form, for who has logged in; others are sent to do so."""
    if "name" not in session:
        return redirect(url_for("accounts.login_form"), HTTPStatus.SEE_OTHER)
    return _rating_page({}, {})


@accounts.post("/rating")
def rate() -> Response | tuple[str, int]:
    """Take a rating, or say field by field what is wrong with it."""
    if "name" not in session:
        return redirect(url_for("accounts.login_form"), HTTPStatus.SEE_OTHER)
    values = {name: request.form.get(name, "").strip() for name in ("stars", "reason")}
    faults = rating_faults(values)
    if faults:
        return _rating_page(values, faults), HTTPStatus.UNPROCESSABLE_ENTITY
    ratings: Ratings = current_app.extensions["ratings"]
    ratings.add(Rating(str(session["name"]), int(values["stars"]), values["reason"]))
    flash("Thank you. A reload of this page sends no second rating: it is the answer to a GET.")
    return redirect(url_for("accounts.rating_form"), HTTPStatus.SEE_OTHER)


def name_faults(name: str) -> dict[str, str]:
    """Faults of a name, by field."""
    if not name:
        return {"name": "Say a name; any will do."}
    if len(name) > LONGEST_NAME:
        return {"name": f"At most {LONGEST_NAME} characters."}
    if _NAME.fullmatch(name) is None:
        return {"name": "Letters, digits, spaces, and . ' - between them."}
    return {}


def rating_faults(values: Mapping[str, str]) -> dict[str, str]:
    """Faults of a rating, by field."""
    faults = {}
    stars = values["stars"]
    if not (
        stars.isascii() and stars.isdigit() and len(stars) == 1 and 1 <= int(stars) <= MOST_STARS
    ):
        faults["stars"] = f"A whole number from 1 to {MOST_STARS}."
    length = len(values["reason"])
    if not SHORTEST_REASON <= length <= LONGEST_REASON:
        faults["reason"] = f"{SHORTEST_REASON} to {LONGEST_REASON} characters; these are {length}."
    return faults


def _rating_page(values: Mapping[str, str], faults: Mapping[str, str]) -> str:
    ratings: Ratings = current_app.extensions["ratings"]
    return render_template(
        "rating.html", name=session["name"], values=values, faults=faults, ratings=ratings.all()
    )
