"""Browsers of operators, and worker processes of one data folder, without their sockets."""

from flask import Flask
from pydantic import SecretStr

from components.authority import dashboard_for
from servescope.errors import ServescopeError
from servescope.runtime import Runtime
from servescope.settings import Settings


class Browser:
    """A person's browser: keeps the cookies of one process's answers, and shows them to another."""

    def __init__(self):
        self.cookies = {}
        self.set_cookie = []

    def ask(self, site, path, address="192.0.2.7", headers=(), base="http://dash.example:8050"):
        """Ask a site for `/in/PASSWORD`, `/out` or `/may`; return the answer's text."""
        client = site.flask.test_client(use_cookies=False)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = client.post(
            path,
            base_url=base,
            headers=dict(headers) | ({"Cookie": cookie} if cookie else {}),
            environ_overrides={"REMOTE_ADDR": address},
        )
        self.set_cookie = answer.headers.getlist("Set-Cookie")
        for line in self.set_cookie:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return answer.text


class Site:
    """One worker process's part: its own objects over the shared data folder."""

    def __init__(self, folder, password, **settings):
        # Unchecked: an empty password, which the settings refuse, is the door's to refuse as well.
        chosen = Settings(data_dir=folder, **settings).model_copy(
            update={"password": SecretStr(password)}
        )
        self.board = dashboard_for(Runtime(chosen))
        self.flask = Flask("test", static_folder=None)

        def tried(password):
            try:
                return "in" if self.board.sign_in(password) else "wrong"
            except ServescopeError as error:
                return f"{type(error).__name__}: {error}"

        def out():
            self.board.sign_out()
            return "out"

        self.flask.add_url_rule("/in/<path:password>", view_func=tried, methods=["POST"])
        self.flask.add_url_rule("/out", view_func=out, methods=["POST"])
        self.flask.add_url_rule(
            "/may", "may", lambda: "yes" if self.board.may_act() else "no", methods=["POST"]
        )
