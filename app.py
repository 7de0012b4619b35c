"""Composition root: settings → runtime → Dash. Importing this starts nothing.

`python app.py` runs everything in one process; `gunicorn app:server` in as many as it is told.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import dash

from components import endpoints, guard, plotly_json
from components.authority import dashboard_for
from components.client import ForwardedMiddleware
from components.dash_doors import no_doors
from components.dash_setup import set_up_once
from components.delivery import compression
from components.delivery.document import FingerprintingDash
from components.first_load import first_load
from components.path_prefix import PathPrefixMiddleware
from components.shell import connect, shell
from servescope.addresses import url_of
from servescope.bounded_exit import exit_within
from servescope.errors import ServescopeError, SettingsError
from servescope.forked_child import restore_signals_in_children
from servescope.runtime import Runtime
from servescope.runtime.dashboard_server import bind_dashboard, start_dashboard_server
from servescope.settings import Settings, load_settings
from servescope.sockets.binding import address_of
from servescope.stop_request import StopRequest
from servescope.wire.forwarded import TrustedProxies

if TYPE_CHECKING:
    from types import FrameType

    from flask import Flask

    from servescope.hosting.wsgi import WsgiCallable

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
EXIT_S: Final = 2.0
"""How long what a hosted app left behind may hold up the end; see `servescope.bounded_exit`."""


def create_app(settings: Settings | None = None) -> dash.Dash:
    """Build the dashboard. Raises ServescopeError when settings or data folder are unusable."""
    settings = settings or load_settings()
    runtime = Runtime(settings)
    flask = guard.GuardedFlask("servescope", static_folder=None)
    prefix = settings.path_prefix
    flask.extensions["servescope"] = dashboard_for(runtime)
    with no_doors():
        app = FingerprintingDash(
            __name__,
            first_load=first_load,
            server=flask,
            title="Servescope",
            update_title="",
            use_pages=True,
            suppress_callback_exceptions=True,
            health_endpoint="health",
            requests_pathname_prefix=f"{prefix}/",
            routes_pathname_prefix="/",  # PathPrefixMiddleware takes the prefix away
            enable_mcp=False,
            use_async=False,  # else asgiref, where there is one, runs each callback on a new loop
        )
    set_up_once(flask)
    connect()
    plotly_json.connect()
    endpoints.connect(flask)
    app.layout = shell
    compression.connect(flask)
    guard.connect(app, flask, settings.public_origin)
    _go_behind_proxies(flask, settings)
    return app


def _go_behind_proxies(flask: Flask, settings: Settings) -> None:
    """Believe the proxies of the settings, and live below their path.

    Raises SettingsError when the path is one of our own: a proxy that strips it could not be told
    from one that does not.
    """
    prefix = settings.path_prefix
    if prefix:
        own = {page["path"] for page in dash.page_registry.values()}
        own |= {rule.rule for rule in flask.url_map.iter_rules()}
        first = prefix.split("/")[1]
        if first in {path.split("/")[1] for path in own}:
            raise SettingsError(
                f"SERVESCOPE_PATH_PREFIX={prefix}: the dashboard has /{first} itself, choose "
                "another name"
            )
        _wrap(flask, PathPrefixMiddleware(flask.wsgi_app, prefix))
    if settings.trusted_proxies:
        proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_headers)
        _wrap(flask, ForwardedMiddleware(flask.wsgi_app, proxies))


def _wrap(flask: Any, middleware: WsgiCallable) -> None:
    flask.wsgi_app = middleware  # as Flask documents it; to mypy it were a method


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


def main(app: dash.Dash, runtime: Runtime) -> None:
    """Serve the dashboard from this process until SIGINT or SIGTERM, then stop all it runs."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    try:
        if runtime.settings.debug:
            _serve_for_development(app, runtime)
        else:
            _serve(app.server, runtime)
    except ServescopeError as error:
        fail(error)
    finally:
        runtime.stop()
        exit_within(EXIT_S)


def _serve(flask: Flask, runtime: Runtime) -> None:
    """Serve with the project's own server until a signal ends it."""
    stop = StopRequest()
    listening = bind_dashboard(runtime.settings)
    _, port = address_of(listening)
    runtime.start()
    served = start_dashboard_server(flask, listening)
    _say_where(runtime.settings, port)
    stop.wait()
    served.stop()


def _serve_for_development(app: dash.Dash, runtime: Runtime) -> None:
    """Serve with Werkzeug's server, whose reloader and debugger Dash's debug mode is made of."""
    settings = runtime.settings
    signal.signal(signal.SIGTERM, _end)
    restore_signals_in_children([signal.SIGTERM])
    port = settings.port
    if os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        runtime.start()
    else:
        # The reloader's parent only watches files; its child, and nobody else, runs things. The
        # child inherits the socket that its parent binds at the port found here.
        with bind_dashboard(settings) as listening:
            _, port = address_of(listening)
        _say_where(settings, port)
    with suppress(KeyboardInterrupt):
        app.run(host=settings.host, port=port, debug=True)


def _say_where(settings: Settings, port: int) -> None:
    url = url_of(settings.host, port, path=f"{settings.path_prefix}/")
    sys.stdout.write(f"Servescope: {url}\n")
    sys.stdout.flush()


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ != "__mp_main__":  # so a hosted app's child that multiprocessing spawns imports this
    app, runtime = build()
    server = app.server

if __name__ == "__main__":
    main(app, runtime)
