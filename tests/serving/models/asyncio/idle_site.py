"""A site for parts of a connection that are tested without requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.hosting.site import Site
from servescope.records.listeners import ListenerOptions

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange


class Unused:
    """An application that nobody calls."""

    accepts_body = True

    def __call__(self, exchange: Exchange) -> None:
        raise AssertionError(f"{exchange.target} was asked for")


def idle_site() -> Site:
    return Site("x", Unused(), ListenerOptions())
