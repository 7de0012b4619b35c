"""Composition root: settings → runtime → Dash. Importing this starts nothing.

`python app.py` runs everything in one process; `gunicorn app:server` in as many as it is told.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn

import dash
from flask import Flask, Response, abort, request
from flask_compress import Compress
from werkzeug.serving import run_simple

from components import endpoints
from components.authority import dashboard_for, is_same_origin, session_secret
from components.delivery import INDEX, LOADED_FIRST, delivery_settings, security_headers
from components.shell import connect, shell
from servescope.errors import ServescopeError, SettingsError
from servescope.runtime import Runtime
from servescope.sampling.owners import holder_of
from servescope.settings import Settings, load_settings

if TYPE_CHECKING:
    from types import FrameType

DASHBOARD_PORTS: Final = 50
"""How many ports after the default one are tried when another program has it."""

CALLBACKS: Final = "/_dash-update-component"
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def create_app(settings: Settings | None = None) -> dash.Dash:
    """Build the dashboard. Raises ServescopeError when settings or data folder are unusable."""
    runtime = Runtime(settings or load_settings())
    flask = Flask("servescope", static_folder=None)
    flask.secret_key = session_secret(runtime.folder)
    flask.config.update(delivery_settings())
    flask.extensions["servescope"] = dashboard_for(runtime)
    app = dash.Dash(
        __name__,
        server=flask,  # type: ignore[arg-type]  # Dash annotates a bool, documents a Flask app
        title="Servescope",
        update_title="",
        use_pages=True,
        suppress_callback_exceptions=True,
        health_endpoint="health",
        index_string=INDEX,
        assets_ignore=LOADED_FIRST,
    )
    connect()
    endpoints.connect(flask)
    app.layout = shell
    _guard(app, flask)
    return app


def _guard(app: dash.Dash, flask: Flask) -> None:
    """Refuse foreign requests that change something; add security headers to every answer."""
    Compress(flask)
    headers: dict[str, str] = {}

    @flask.before_request
    def refuse_foreign_and_unknown() -> None:
        if not is_same_origin():
            abort(HTTPStatus.FORBIDDEN)
        if request.path == CALLBACKS:
            asked = request.get_json(silent=True)
            wanted = asked.get("output") if isinstance(asked, dict) else None
            if not isinstance(wanted, str):
                abort(HTTPStatus.BAD_REQUEST)
            if wanted not in app.callback_map:
                # A tab from before an update asks each second; Dash would log each as a crash.
                abort(HTTPStatus.CONFLICT, "This page is older than the server: load it again.")

    @flask.after_request
    def add_headers(response: Response) -> Response:
        if not headers:
            # Only now are all callbacks known, and with them all inline scripts.
            headers.update(security_headers(app.csp_hashes()))
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response


def build() -> tuple[dash.Dash, Runtime]:
    """The app and its runtime; on unusable settings or data folder one line and the end."""
    try:
        app = create_app()
    except ServescopeError as error:
        fail(error)
    return app, app.server.extensions["servescope"].runtime


def fail(error: ServescopeError) -> NoReturn:
    """End the process with one line that says why."""
    sys.stderr.write(f"servescope: {error}\n")
    raise SystemExit(error.exit_status)


def dashboard_port(settings: Settings) -> int:
    """The port for the dashboard: a default one that is taken gives way to the next free one.

    Raises ServescopeError when a port that was asked for is taken, or when all are.
    """
    chosen = "port" in settings.model_fields_set
    for wanted in range(settings.port, settings.port + (1 if chosen else DASHBOARD_PORTS)):
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, wanted))
            except PermissionError as error:
                raise SettingsError(
                    f"SERVESCOPE_PORT={wanted}: this user may not bind it ({error.strerror})"
                ) from error
            except OSError:
                continue
            port = int(probe.getsockname()[1])  # 0 has become a free one
        if wanted != settings.port:
            logging.getLogger("servescope").warning(
                "port %d is held by %s; the dashboard is on port %d",
                settings.port,
                holder_of(settings.port),
                port,
            )
        return port
    raise SettingsError(
        f"SERVESCOPE_PORT={settings.port}: the port is held by {holder_of(settings.port)}"
    )


def main(app: dash.Dash, runtime: Runtime) -> None:
    """Serve the dashboard from this process until SIGINT or SIGTERM, then stop all it runs."""
    settings = runtime.settings
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    logging.getLogger("werkzeug").setLevel(logging.INFO if settings.debug else logging.ERROR)
    signal.signal(signal.SIGTERM, _end)
    reloaded = os.environ.get("WERKZEUG_RUN_MAIN") == "true"
    try:
        # The reloader's parent only watches files; its child, and nobody else, runs things. The
        # child keeps the port its parent found.
        port = settings.port if reloaded else dashboard_port(settings)
        if reloaded or not settings.debug:
            runtime.start()
        if not reloaded:
            sys.stdout.write(f"Servescope: http://{settings.host}:{port}/\n")
            sys.stdout.flush()
        if settings.debug:
            app.run(host=settings.host, port=port, debug=True)
        else:
            run_simple(settings.host, port, app.server, threaded=True)
    except KeyboardInterrupt:
        pass
    except ServescopeError as error:
        fail(error)
    finally:
        runtime.stop()


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


app, runtime = build()
server = app.server

if __name__ == "__main__":
    main(app, runtime)
