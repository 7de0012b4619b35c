"""A captured exchange as JSON, without its secrets: what is written, and what a page reads."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from servescope.capturing.masking import (
    Chunked,
    Secrets,
    content_spans,
    field_spans,
    head_spans,
    mask,
    names_its_secrets,
    text_spans,
)
from servescope.recording.secret_names import MASK, is_secret_name, mask_target, masked, query_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servescope.capturing.exchange_capture import AsgiEvent, ExchangeCapture, FirstBytes
    from servescope.recording.secret_names import Span

VERSION: Final = 1
NOT_TEXT: Final = "no text, form or JSON, or in a coding in which no secret could be found"
CONNECTION_FIELDS: Final = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "transfer-encoding")
)
"""Fields that belong to a connection: a request that is sent again has its own."""

_PLAIN: Final = (str, int, float, bool, type(None))
_URLS: Final = frozenset(("REQUEST_URI", "RAW_URI", "HTTP_REFERER"))
_MOST_KEYS: Final = 400
_LONGEST_TEXT: Final = 8_192

Fields = dict[str, str]


def masked_document(capture: ExchangeCapture) -> dict[str, Any]:
    """The exchange as JSON: no secret is in it."""
    return _Document(capture).whole()


class _Document:
    """Secrets are looked for in all parts first: one part tells those of another."""

    def __init__(self, capture: ExchangeCapture) -> None:
        self._capture = capture
        self._every = capture.judge.masks_query
        self._secrets = secrets = Secrets()
        request, response = bytes(capture.head.kept), bytes(capture.response_head.kept)
        self._heads = {
            head: head_spans(head, secrets, every_query_value=self._every)
            for head in (request, response)
        }
        self._request = _Body(capture.body, request, secrets, self._every)
        self._response = _Body(capture.response_body, response, secrets, self._every)

    def whole(self) -> dict[str, Any]:
        capture = self._capture
        document = {
            "version": VERSION,
            "kernel_ns": capture.kernel_ns,
            "thread": capture.thread,
            "omitted": capture.omitted,
            **capture.facts,
            "steps": [
                [step.at_ns - capture.first_byte_ns, step.name, self._text(step.text)]
                for step in sorted(capture.steps)
            ],
            "request": {
                "head": self._head(bytes(capture.head.kept)),
                "body": self._request.told(self._secrets),
            },
            "response": {
                "head": self._head(bytes(capture.response_head.kept)),
                "body": self._response.told(self._secrets),
            },
            "environ": None if capture.environ is None else self._environ(capture.environ),
            "scope": None if capture.scope is None else self._scope(capture.scope),
            "start_response": self._start_response(),
            "events": [self._event(event) for event in capture.events],
            "frames": [
                [frame.at_ns - capture.first_byte_ns, frame.is_sent, *frame.head]
                for frame in capture.frames
            ],
        }
        target = self._text(str(capture.facts.get("target", "")))
        return document | {"target": mask_target(target, every_value=self._every)}

    def _head(self, head: bytes) -> str:
        spans = [*self._heads[head], *self._secrets.spans(head)]
        return mask(head, spans).decode("latin-1")

    def _text(self, text: str) -> str:
        return self._secrets.masked_text(text[:_LONGEST_TEXT])

    def _field(self, name: str, value: str) -> str:
        spans = field_spans(
            name.encode("latin-1", "replace"),
            value.encode("latin-1", "replace"),
            every_query_value=self._every,
        )
        return self._text(masked(value, spans))

    def _environ(self, environ: Mapping[str, Any]) -> Fields:
        return {
            self._text(str(key)): self._environ_value(str(key), value)
            for key, value in sorted(environ.items(), key=lambda item: str(item[0]))[:_MOST_KEYS]
        }

    def _environ_value(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            return self._shown(value)
        if key == "QUERY_STRING":
            return self._text(masked(value, query_spans(value, every_value=self._every)))
        if key in _URLS:
            return self._text(mask_target(value, every_value=self._every))
        if key.startswith("HTTP_"):
            return self._field(key.removeprefix("HTTP_").replace("_", "-"), value)
        return MASK if value and is_secret_name(key) else self._text(value)

    def _shown(self, value: object) -> str:
        """A value that is no text: what is plain as it is, of all else its type."""
        if isinstance(value, bytes):
            return self._text(value.decode("latin-1"))
        if isinstance(value, _PLAIN):
            return self._text(str(value))
        if isinstance(value, (tuple, list)) and all(
            isinstance(one, (*_PLAIN, bytes)) for one in value
        ):
            return ", ".join(map(self._shown, value))
        return f"<{type(value).__module__}.{type(value).__qualname__}>"

    def _scope(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for key, value in sorted(scope.items(), key=lambda item: str(item[0]))[:_MOST_KEYS]:
            name = self._text(str(key))
            if key == "headers":
                told[name] = self._pairs(value)
            elif key == "query_string" and isinstance(value, bytes):
                query = value.decode("latin-1")
                told[name] = self._text(masked(query, query_spans(query, every_value=self._every)))
            elif isinstance(value, dict):
                told[name] = {
                    self._text(str(inner)): MASK if is_secret_name(str(inner)) else self._shown(one)
                    for inner, one in list(value.items())[:_MOST_KEYS]
                }
            else:
                told[name] = MASK if is_secret_name(str(key)) else self._shown(value)
        return told

    def _pairs(self, fields: Iterable[Any]) -> list[list[str]]:
        """Header fields, as the app has them: names and values of text or bytes."""
        told = []
        for field in list(fields)[:_MOST_KEYS]:
            name, value = (
                part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in field
            )
            told.append([self._text(name), self._field(name, value)])
        return told

    def _start_response(self) -> dict[str, Any] | None:
        called = self._capture.start_response
        if called is None:
            return None
        status, headers = called
        return {"status": self._text(status), "headers": self._pairs(headers)}

    def _event(self, event: AsgiEvent) -> list[Any]:
        told: dict[str, Any] = {}
        for key, value in event.told.items():
            if key == "headers":
                told[key] = self._pairs(value)
            elif key == "text" and isinstance(value, str):
                told[key] = self._message(value)
            else:
                told[self._text(str(key))] = self._shown(value)
        return [event.at_ns - self._capture.first_byte_ns, event.is_sent, told]

    def _message(self, text: str) -> str:
        """The text of a WebSocket's message."""
        content = text.encode("utf-8", "replace")
        spans = [*text_spans(content), *self._secrets.spans(content)]
        return mask(content, spans).decode("utf-8", "replace")


class _Body:
    """A body and the secrets in it; made before any of it is told."""

    def __init__(
        self, body: FirstBytes, head: bytes, secrets: Secrets, every_query_value: bool
    ) -> None:
        fields = _fields(head)
        self._size = body.size
        self._raw = bytes(body.kept)
        self._type = fields.get(b"content-type", b"").decode("latin-1")
        coding = fields.get(b"content-encoding", b"").decode("latin-1")
        is_chunked = b"chunked" in fields.get(b"transfer-encoding", b"").lower()
        self._chunked = Chunked(self._raw) if is_chunked else None
        self._content = self._raw if self._chunked is None else self._chunked.content
        self._spans = content_spans(self._content, self._type, coding)
        if self._spans and names_its_secrets(self._type):
            secrets.add_all(self._content, self._spans)
        self._trailer: list[Span] = []
        if self._chunked is not None:
            begin, end = self._chunked.trailer
            found = head_spans(
                self._raw[begin:end],
                secrets,
                every_query_value=every_query_value,
                is_trailer=True,
            )
            self._trailer = [(begin + first, begin + last) for first, last in found]

    def told(self, secrets: Secrets) -> dict[str, Any]:
        """The body as JSON: its first bytes in base64, None where they are not kept."""
        told: dict[str, Any] = {"size": self._size, "type": secrets.masked_text(self._type)}
        if self._spans is None and self._size:
            return told | {"kept": None, "why": NOT_TEXT}
        spans = [*(self._spans or ()), *secrets.spans(self._content)]
        if self._chunked is not None:
            spans = [
                *self._chunked.raw_spans(spans),
                *self._chunked.extensions,
                *self._trailer,
                *secrets.spans(self._raw),
            ]
        kept = mask(self._raw, spans)
        return told | {
            "kept": base64.b64encode(kept).decode(),
            "is_cut": self._size > len(self._raw),
            "is_chunked": self._chunked is not None,
            "why": "",
        }


def _fields(head: bytes) -> dict[bytes, bytes]:
    fields = {}
    for line in head.split(b"\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    return fields
