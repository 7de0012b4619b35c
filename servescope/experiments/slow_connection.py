"""A client with a bad connection and one with a good one, at a gunicorn with one worker."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments import gunicorn_server
from servescope.experiments.open_requests import OpenRequest, await_ends
from servescope.experiments.reverse_proxy import proxying
from servescope.experiments.transcript import Transcript
from servescope.load.connections import hold_little
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost
    from servescope.experiments.reverse_proxy import ReverseProxy

STUCK_S: Final = 2.0
"""How long nothing gets through."""

REPORT_S: Final = 1.0
"""How long the app of `demo.programs.proxied_app` takes for a report."""

PHONE: Final = "127.0.0.2"
LAPTOP: Final = "127.0.0.3"
"""Addresses from which the two connect: all of 127.0.0.0/8 is this machine."""

_PROGRAM: Final = "proxied_app"
_REPORT: Final = "/report"
_BACKLOG: Final = 16
_CONNECT_S: Final = 5.0
_ENDED_S: Final = 15.0
_SHOWN_BYTES: Final = 300
_MS: Final = 1e3
_NS_PER_MS: Final = 1e6


class Stuck(StrEnum):
    """The time at which the bad connection is stuck."""

    SENDING = "sending"  # in the middle of the request
    RECEIVING = "receiving"  # after the first bytes of the response


@dataclass(frozen=True, slots=True)
class SlowConnection:
    """A phone, whose connection is stuck for STUCK_S, and right behind it a laptop, get a report.

    With `has_proxy` a reverse proxy stands in front of gunicorn. Measured are `phone_ms` and
    `laptop_ms`, from the phone's first byte until each has its report whole, `phone_seen` and
    `laptop_seen`, the line by which the app says who asked, and the steps.
    """

    stuck: Stuck
    has_proxy: bool

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Start gunicorn, wait until its worker has answered, and send both requests."""
        with gunicorn_server.serving(host, _PROGRAM, workers=1) as (_, gunicorn):
            exchange(gunicorn, request_bytes(gunicorn, "/"), min(_ENDED_S, host.left_s()))
            with ExitStack() as opened:
                told, proxy, address = Transcript(), None, gunicorn
                if self.has_proxy:
                    listening = opened.enter_context(host.listening(_BACKLOG))
                    proxy = opened.enter_context(proxying(listening, gunicorn, told.began))
                    address = listening.getsockname()[:2]
                with host.span():
                    clients = self._ask(address, proxy, told, opened, host)
        found: dict[str, Any] = {}
        for name, client in zip(("phone", "laptop"), clients, strict=True):
            found |= _found(name, client, told)
        steps = told.steps + ([] if proxy is None else proxy.told.steps)
        return found | {"steps": sorted(steps, key=lambda step: step["at_ms"])}

    def _ask(
        self,
        address: tuple[str, int],
        proxy: ReverseProxy | None,
        told: Transcript,
        opened: ExitStack,
        host: ExperimentHost,
    ) -> tuple[OpenRequest, OpenRequest]:
        """The phone and the laptop, when both have ended or their time is over."""
        request = request_bytes(address, _REPORT)
        sent = request[: len(request) // 2] if self.stuck is Stuck.SENDING else request
        rest = request[len(sent) :]
        until_s = time.monotonic() + min(_ENDED_S, host.left_s())
        try:
            phone = OpenRequest(opened.enter_context(_connected(PHONE, address, is_slow=True)))
            phone.sock.sendall(sent)
            stuck_since_s = time.monotonic()
            text = "half of its request; then it is in a tunnel" if rest else "its request"
            told.add("phone", f"connects from {PHONE}, and sends {text}", sent)
            if proxy is not None and not rest:
                proxy.has_passed_on.wait(_CONNECT_S)  # else the laptop could be first
            laptop = OpenRequest(opened.enter_context(_connected(LAPTOP, address)))
            laptop.sock.sendall(request)
            told.add("laptop", f"connects from {LAPTOP}, and sends its request", request)
            if not rest:
                select.select([phone.sock], [], [], max(0.0, until_s - time.monotonic()))
                phone.read()
                stuck_since_s = time.monotonic()
                size = f"{len(phone.received):,} bytes"
                told.add("phone", f"has the first {size} of the response; then it is in a tunnel")
            goes_on_s = stuck_since_s + STUCK_S
            await_ends([laptop], goes_on_s)
            if host.ending.wait(max(0.0, goes_on_s - time.monotonic())):
                raise LoadRefusedError("the dashboard is being stopped")
            phone.sock.sendall(rest)
            does = "sends the rest of its request" if rest else "reads the rest"
            told.add("phone", f"is out of the tunnel, and {does}", rest)
            await_ends([phone, laptop], until_s)
        except OSError as error:
            raise LoadRefusedError(f"a request failed: {error.strerror or error}") from error
        return phone, laptop


def _connected(source: str, address: tuple[str, int], *, is_slow: bool = False) -> socket.socket:
    """A connection from this address of our own; a slow one is `hold_little`."""
    client = socket.socket()
    try:
        client.settimeout(_CONNECT_S)
        if is_slow:
            hold_little(client)
        client.bind((source, 0))
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def _found(name: str, client: OpenRequest, told: Transcript) -> dict[str, Any]:
    """Add the client's end to the steps; its time, and who asked by the app's word, by their names.

    Raises LoadRefusedError when it got no report.
    """
    line, end, _ = client.content.partition(b"\n")
    if not end or not client.ended_ns:
        raise LoadRefusedError(f"the {name} had no report: {client.error or 'it was cut off'}")
    ended_ms = client.ended_ns / _NS_PER_MS - told.began * _MS
    size = f"{len(client.received):,} bytes"
    told.add(
        name,
        f"has the whole response, {size}",
        bytes(client.received[:_SHOWN_BYTES]) + " …".encode(),
        ended_ms,
    )
    return {f"{name}_ms": ended_ms, f"{name}_seen": line.decode("latin-1")}
