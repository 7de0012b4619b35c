"""The steps of a scenario, compiled: which bytes each sends, and what it needs of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.records.scenarios import RequestStep, WebSocketStep
from servescope.scenarios.placeholders import COUNTER, Place, RequestTemplate, Template
from servescope.wire.http1_client import request_bytes
from servescope.wire.websocket_handshake import client_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.load.cookies import CookieJar
    from servescope.load.step_tally import StepTally
    from servescope.records.scenarios import CarriedValue, Step

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
"""Methods whose request may be sent once more (RFC 9110 section 9.2.2)."""


class CompiledStep:
    """One step as each of its requests needs it.

    `constant` are the bytes of every request, None when they have to be written anew.
    """

    __slots__ = (
        "_agent",
        "_counted",
        "_host",
        "_is_kept_alive",
        "_template",
        "carried",
        "constant",
        "has_content",
        "is_idempotent",
        "is_kept",
        "is_plain",
        "label",
        "messages",
        "messages_tally",
        "method",
        "pause_ns",
        "read_ns",
        "send_ns",
        "tally",
        "upgrades",
    )

    def __init__(
        self,
        step: Step,
        tally: StepTally,
        messages_tally: StepTally | None,
        *,
        host: str,
        agent: str,
        keep_alive: bool,
        has_cookies: bool,
        counted: Iterator[int],
    ) -> None:
        self.label = step.label
        self.tally = tally
        self.messages_tally = messages_tally
        self.upgrades = isinstance(step, WebSocketStep)
        self.messages: tuple[Template, ...] = ()
        self.pause_ns = 0
        self.carried: tuple[CarriedValue, ...] = ()
        if isinstance(step, WebSocketStep):
            self.messages = tuple(Template(text, Place.TEXT) for text in step.messages)
            self.pause_ns = int(step.seconds_between * 1e9)
            step = RequestStep(target=step.target)
        self.send_ns = int(step.send_seconds * 1e9)
        self.read_ns = int(step.read_seconds * 1e9)
        self.carried = step.carried
        self.has_content = step.method != "HEAD"
        self.is_kept = bool(step.carried) or has_cookies or self.upgrades
        self.is_plain = self.has_content and not self.is_kept
        self.method = step.method
        self.is_idempotent = step.method in _IDEMPOTENT
        self._template = RequestTemplate(step)
        self._host = host
        self._agent = agent
        self._is_kept_alive = keep_alive or self.upgrades
        self._counted = counted  # the values of `{n}`
        is_constant = not (self._template.names or has_cookies or self.upgrades)
        self.constant = self._bytes({}, []) if is_constant else None

    def render(
        self, values: dict[str, str], cookies: CookieJar | None, websocket_key: str
    ) -> bytes:
        """The bytes of the next request of a flow, which has these values; its counter is set.

        Raises UnfitValueError when a value cannot stand in it, KeyError when there is none.
        """
        fields = []
        values[COUNTER] = str(next(self._counted))
        if cookies is not None:
            sent = cookies.field_for(self.target(values))
            if sent:
                fields.append(("Cookie", sent))
        if self.upgrades:
            fields += client_fields(websocket_key)
        return self._bytes(values, fields)

    def target(self, values: dict[str, str]) -> str:
        """The target of the request with these values."""
        return self._template.target.fill(values)

    def _bytes(self, values: dict[str, str], fields: list[tuple[str, str]]) -> bytes:
        template = self._template
        headers = [(name, value.fill(values)) for name, value in template.fields]
        if not any(name.lower() == "user-agent" for name, _ in headers):
            headers.insert(0, ("User-Agent", self._agent))
        return request_bytes(
            template.target.fill(values),
            self._host,
            keep_alive=self._is_kept_alive,
            headers=[*headers, *fields],
            method=template.method,
            content=template.body.fill(values).encode(),
        )
