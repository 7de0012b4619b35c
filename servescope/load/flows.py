"""The flows of a scenario, compiled, and those in progress."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from servescope.load.carried_values import MissingValueError, carried
from servescope.load.cookies import CookieJar
from servescope.wire.websocket_handshake import client_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.load.steps import CompiledStep
    from servescope.wire.http1_client import Response

_NONCE_BYTES: Final = 16  # RFC 6455 section 4.1


class ActiveFlow:
    """A flow in progress: where it stands, and what it has of earlier answers."""

    __slots__ = ("cookies", "missing", "position", "steps", "user", "values", "websocket_key")

    def __init__(
        self,
        steps: tuple[CompiledStep, ...],
        values: dict[str, str],
        cookies: CookieJar | None,
        user: int | None,
    ) -> None:
        self.steps = steps
        self.position = 0
        self.values = values
        self.cookies = cookies
        self.user = user  # of the closed model, by number
        self.websocket_key = ""
        self.missing = ""  # why the next step cannot be sent, a sentence

    def render(self) -> bytes:
        """The bytes of the present step's request; see `CompiledStep.render`."""
        step = self.steps[self.position]
        if step.upgrades:
            self.websocket_key = client_key(os.urandom(_NONCE_BYTES))
        return step.render(self.values, self.cookies, self.websocket_key)

    def take(self, response: Response) -> None:
        """Keep what the next steps need of the answer to the present one."""
        step = self.steps[self.position]
        if self.cookies is not None:
            target = step.target(self.values)
            for name, value in response.headers:
                if name == b"set-cookie":
                    self.cookies.store(value.decode("latin-1"), target)
        if step.carried:
            try:
                self.values.update(carried(step.carried, response, step.label))
            except MissingValueError as error:
                self.missing = str(error)


class CompiledFlow:
    """One flow of the mix; `begin` starts it once more.

    `constant` stands for all its flows when it is one request that is always the same: then there
    is no state to keep.
    """

    __slots__ = ("_has_cookies", "_is_tls", "constant", "steps")

    def __init__(self, steps: tuple[CompiledStep, ...], has_cookies: bool, is_tls: bool) -> None:
        self.steps = steps
        self._has_cookies = has_cookies
        self._is_tls = is_tls
        is_constant = len(steps) == 1 and steps[0].constant is not None
        self.constant = ActiveFlow(steps, {}, None, None) if is_constant else None

    def begin(self, rows: Iterator[dict[str, str]], user: int | None) -> ActiveFlow:
        """A flow at its first step, with the next row of the data."""
        cookies = CookieJar(is_tls=self._is_tls) if self._has_cookies else None
        return ActiveFlow(self.steps, dict(next(rows)), cookies, user)
