"""The way from pages to the process behind them: its query context, and the right to act."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app

from components import client

if TYPE_CHECKING:
    from components.authority import Dashboard
    from components.client import Visitor
    from servescope.queries.context import QueryContext


def dashboard() -> Dashboard:
    """The dashboard of the Flask app that serves the present request."""
    return cast("Dashboard", current_app.extensions["servescope"])


def context() -> QueryContext:
    """The context of this process."""
    return dashboard().context


def why_not() -> str:
    """Why the person behind the present request may not act; empty when they may."""
    return dashboard().why_not()


def visitor() -> Visitor:
    """The place of the browser behind the present request."""
    settings = dashboard().settings
    return client.visitor(settings.public_origin, is_behind_proxy=settings.is_behind_proxy)
