"""Secrets of a captured request, found before anything of it is written.

Theory of operation. A secret is found by its place: a header field, a field of a form, a key of
JSON, a parameter of a query (`recording.secret_names` knows the names). A value that was found in
one place is masked wherever else it occurs, since apps echo, and environ and scope repeat the head.
Content is looked at without its transfer coding, so that no chunk boundary hides a secret, and the
places are mapped back to the bytes as they came. Content of which no secrets can be told apart
(images, archives, compressed or in an unknown charset) is not kept at all.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote_plus, unquote_to_bytes

from servescope.recording.secret_names import (
    MASK,
    is_secret_name,
    merged,
    query_spans,
    target_spans,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from servescope.recording.secret_names import Span

SHORTEST: Final = 4
"""Characters of a secret that is masked wherever it occurs; a shorter one only in its place."""

SHORTEST_COOKIE: Final = 8
"""The same of a cookie's value, of which many are no secrets: `dark`, `en-GB`."""

_MASK: Final = MASK.encode()
_CREDENTIALS: Final = frozenset((b"authorization", b"proxy-authorization"))
_SCHEME: Final = re.compile(rb"(?:basic|bearer|digest|negotiate|token|ntlm)[ \t]+", re.IGNORECASE)
_FIELD: Final = re.compile(rb"([!-9;-~]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_REQUEST_LINE: Final = re.compile(rb"[!-~]+ (\S+) HTTP/[0-9.]+")
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9.]+ [0-9]{3}(?: [^\r\n]*)?")
_PLAIN_CHARSETS: Final = frozenset(
    ("", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
)
_TEXT_TYPES: Final = frozenset(
    (
        *("application/javascript", "application/x-javascript", "application/ecmascript"),
        *("application/xml", "application/graphql", "application/x-yaml", "application/yaml"),
        *("application/toml", "application/sql"),
    )
)
_JSON_TYPES: Final = frozenset(("application/json", "application/x-ndjson", "application/jsonl"))
_JSON_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL
)
_PAIR: Final = re.compile(
    rb"""([\w.\-\[\]%]{1,200})(["']?)\s{0,4}[:=]\s{0,4}"""
    rb"""(?:"((?:[^"\\]|\\.)*)|'((?:[^'\\]|\\.)*)|([^\s&<>"'](?:(?!,\s)[^\s&<>])*))"""
)
_UNQUOTED: Final = 5  # group of _PAIR
_TOKEN: Final = re.compile(
    rb"(?:\b(?:bearer|basic)\s+([\w.~+/=-]{8,}))|(\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?)", re.IGNORECASE
)
_TAG: Final = re.compile(rb"<(?:input|meta|button|textarea)\b[^>]*>?", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    rb"""([\w-]+)\s*=\s*(?:"([^"]*)"?|'([^']*)'?|([^\s>"']+))""", re.IGNORECASE
)
_FORM: Final = re.compile(rb"[^\s=&]+=[^\s]*")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*(?:;[^\r\n]*)?)(\r\n|\Z)")


class Secrets:
    """The secrets that were found by their places; `spans` finds them in any other."""

    def __init__(self) -> None:
        self._found: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None

    def add(self, secret: bytes, shortest: int = SHORTEST) -> None:
        """Remember a secret, and the ways in which it may be written elsewhere."""
        plain = unquote_to_bytes(secret.replace(b"+", b" "))
        for one in {secret, plain, *_unquoted_json(secret), *_of_base64(secret)}:
            for way in _written(one):
                if len(way.strip()) >= shortest:
                    self._found.add(way)
        self._pattern = None

    def add_all(self, content: bytes, spans: Iterable[Span]) -> None:
        """Remember what lies in these spans, and each string of JSON within."""
        for begin, end in spans:
            secret = content[begin:end]
            self.add(secret)
            for token in _JSON_TOKEN.findall(secret):
                if token[:1] == b'"':
                    self.add(token.strip(b'"'))

    def spans(self, content: bytes) -> list[Span]:
        """Where a secret occurs, with the rest of its word: it may have been cut where found."""
        if not self._found:
            return []
        if self._pattern is None:
            longest_first = sorted(self._found, key=len, reverse=True)
            either = b"|".join(map(re.escape, longest_first))
            self._pattern = re.compile(rb"(?:%b)[\w.~+/=%%-]*" % either)
        return [found.span() for found in self._pattern.finditer(content)]

    def masked(self, content: bytes) -> bytes:
        """The content without any of the secrets."""
        return mask(content, self.spans(content))

    def masked_text(self, text: str) -> str:
        """The text without any of the secrets, be it UTF-8 or bytes as latin-1 (PEP 3333)."""
        with suppress(UnicodeEncodeError):
            text = self.masked(text.encode("latin-1")).decode("latin-1")
        return self.masked(text.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "surrogateescape"
        )


def _written(secret: bytes) -> set[bytes]:
    """The ways in which something may be written in HTML, URLs and JSON."""
    text = secret.decode("utf-8", "surrogateescape")
    with suppress(UnicodeEncodeError):
        ways = {text, quote(text), quote(text, safe=""), quote_plus(text), html.escape(text)}
        ways |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        return {secret, *(way.encode() for way in ways)}
    return {secret}


def _unquoted_json(secret: bytes) -> Iterator[bytes]:
    if b"\\" in secret:
        with suppress(ValueError):
            yield str(json.loads(b'"%b"' % secret)).encode("utf-8", "surrogatepass")


def _of_base64(secret: bytes) -> Iterator[bytes]:
    """User and password of Basic credentials (RFC 7617): the password on its own, too."""
    with suppress(binascii.Error, ValueError):
        plain = base64.b64decode(secret, validate=True)
        _, colon, password = plain.partition(b":")
        if colon and plain.isascii():
            yield plain
            yield password


def mask(content: bytes, spans: list[Span]) -> bytes:
    """The content with the mask in the place of each span."""
    parts, at = [], 0
    for begin, end in merged(spans):
        parts += [content[at:begin], _MASK]
        at = end
    return b"".join([*parts, content[at:]])


# Heads.


def field_spans(name: bytes, value: bytes, *, every_query_value: bool) -> list[Span]:
    """The secrets in the value of a header field."""
    name = name.lower()
    if name in _CREDENTIALS:
        scheme = _SCHEME.match(value)
        return [(scheme.end() if scheme else 0, len(value))]
    if name == b"cookie":
        return list(_cookie_spans(value))
    if name == b"set-cookie":
        first = value.partition(b";")[0]
        begin = first.find(b"=") + 1
        return [(begin, len(first))]
    if is_secret_name(name.decode("latin-1")):
        return [(0, len(value))]
    return [
        *target_spans(value.decode("latin-1"), every_value=every_query_value),
        *_pair_spans(value),
        *_token_spans(value),
    ]


def _cookie_spans(value: bytes) -> Iterator[Span]:
    at = 0
    for pair in value.split(b";"):
        yield at + pair.find(b"=") + 1, at + len(pair)
        at += len(pair) + 1


def head_spans(
    head: bytes, secrets: Secrets, *, every_query_value: bool, is_trailer: bool = False
) -> list[Span]:
    """The secrets in a head, or in the trailer fields of a body.

    A line that is none of a head is a secret itself: nobody knows what it was meant to be.
    """
    spans: list[Span] = []
    at = 0
    for number, line in enumerate(head.split(b"\n")):
        text = line.removesuffix(b"\r")
        found = _line_spans(
            text,
            secrets,
            is_first=not number and not is_trailer,
            every_query_value=every_query_value,
        )
        spans += [(at + begin, at + end) for begin, end in found]
        at += len(line) + 1
    return spans


def _line_spans(
    line: bytes, secrets: Secrets, *, is_first: bool, every_query_value: bool
) -> list[Span]:
    if not line:
        return []
    if is_first:
        request = _REQUEST_LINE.fullmatch(line)
        if request is not None:
            target = request[1].decode("latin-1")
            begin = request.start(1)
            spans = [
                (begin + start, begin + end)
                for start, end in target_spans(target, every_value=every_query_value)
            ]
            secrets.add_all(line, spans)
            return spans
        return [] if _STATUS_LINE.fullmatch(line) else [(0, len(line))]
    field = _FIELD.fullmatch(line)
    if field is None:
        return [(0, len(line))]
    name, value = field[1], field[2]
    begin = field.start(2)
    found = field_spans(name, value, every_query_value=every_query_value)
    is_cookie = name.lower() in {b"cookie", b"set-cookie"}
    for start, end in found:
        secrets.add(value[start:end].strip(b'"'), SHORTEST_COOKIE if is_cookie else SHORTEST)
    return [(begin + start, begin + end) for start, end in found]


# Content.


def content_spans(content: bytes, content_type: str, coding: str = "") -> list[Span] | None:
    """The secrets in content of a type; None where they cannot be told: it must not be kept."""
    media_type, parameters = _media_type(content_type)
    is_plain = parameters.get("charset", "").lower() in _PLAIN_CHARSETS and b"\0" not in content
    if coding.strip().lower() not in {"", "identity"} or not is_plain:
        return None
    if media_type == "application/x-www-form-urlencoded":
        return _form_spans(content)
    if media_type.startswith("multipart/"):
        boundary = parameters.get("boundary", "")
        return (
            _multipart_spans(content, boundary.encode("latin-1", "replace")) if boundary else None
        )
    if media_type in _JSON_TYPES or media_type.endswith("+json"):
        return text_spans(content)
    if media_type in _TEXT_TYPES or media_type.startswith("text/") or media_type.endswith("+xml"):
        return text_spans(content)
    return None


def names_its_secrets(content_type: str) -> bool:
    """Whether what is found by its name in such content is a secret and no part of a program."""
    media_type, _ = _media_type(content_type)
    return (
        media_type == "application/x-www-form-urlencoded"
        or media_type in _JSON_TYPES
        or media_type.endswith("+json")
        or media_type == "multipart/form-data"
    )


def _media_type(content_type: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = content_type.split(";")
    parameters = {}
    for parameter in rest:
        name, _, value = parameter.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return media_type.strip().lower(), parameters


def text_spans(content: bytes) -> list[Span]:
    """The secrets in a text of any kind: JSON, a form, `name: value`, HTML, tokens by their shape.

    The type that a message names may be wrong, so each kind is looked for.
    """
    spans = [*_pair_spans(content), *_token_spans(content), *_tag_spans(content)]
    spans += _json_spans(content)
    if _FORM.match(content.lstrip()):
        spans += _form_spans(content)
    return spans


def _form_spans(content: bytes) -> list[Span]:
    return query_spans(content.decode("latin-1"))


def _json_spans(content: bytes) -> Iterator[Span]:
    """The values of keys that are named like secrets, whole objects and arrays among them.

    It may be cut off anywhere, or be no JSON at all.
    """
    tokens = list(_JSON_TOKEN.finditer(content))
    at = 0
    while at + 1 < len(tokens):
        is_key = tokens[at][0][:1] == b'"' and tokens[at + 1][0] == b":"
        if not (is_key and is_secret_name(_json_text(tokens[at][0]))):
            at += 1
            continue
        begin = at = at + 2
        depth = 0
        while at < len(tokens):
            token = tokens[at][0]
            if token in {b"}", b"]"}:
                depth -= 1
            elif token in {b"{", b"["}:
                depth += 1
            if depth < 0 or (not depth and token == b","):
                break
            at += 1
        if at > begin:
            yield _within_quotes(content, tokens[begin].start(), tokens[at - 1].end())


def _within_quotes(content: bytes, begin: int, end: int) -> Span:
    """The inside of a single string, so that what is left still is JSON."""
    inner = content[begin + 1 : end - 1]
    is_string = content[begin : begin + 1] == b'"' == content[end - 1 : end] and end - begin > 1
    return (begin + 1, end - 1) if is_string and b'"' not in inner else (begin, end)


def _json_text(token: bytes) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.decode("latin-1")


def _pair_spans(content: bytes) -> Iterator[Span]:
    """Values behind names of secrets: `name=value`, `name: "value"`."""
    at = 0
    while found := _PAIR.search(content, at):
        at = found.end(1)  # the value may hold another pair
        value = next(group for group in (3, 4, _UNQUOTED) if found[group] is not None)
        is_json = found[2] and value == _UNQUOTED  # no string: `_json_spans` finds it
        if not is_json and is_secret_name(unquote_plus(found[1].decode("latin-1"))):
            yield found.span(value)


def _token_spans(content: bytes) -> Iterator[Span]:
    """Bearer tokens, and JSON Web Tokens by their first characters."""
    for found in _TOKEN.finditer(content):
        yield found.span(1 if found[1] else 2)


def _tag_spans(content: bytes) -> Iterator[Span]:
    """The values of form fields in HTML that are named like secrets."""
    for tag in _TAG.finditer(content):
        attributes = list(_ATTRIBUTE.finditer(content, tag.start(), tag.end()))
        values = {one[1].lower(): _value_of(one) for one in attributes}
        names = [
            content[slice(*values[name])].decode("latin-1")
            for name in (b"name", b"id", b"type")
            if name in values
        ]
        if any(map(is_secret_name, names)):
            yield from (values[name] for name in (b"value", b"content") if name in values)


def _value_of(attribute: re.Match[bytes]) -> Span:
    return next(attribute.span(group) for group in (2, 3, 4) if attribute[group] is not None)


def _multipart_spans(content: bytes, boundary: bytes) -> list[Span]:
    """The values of parts that are named like secrets; of files, and what is no part, all."""
    spans: list[Span] = []
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    found = list(delimiter.finditer(content))
    if not found:
        return [(0, len(content))]
    spans.append((0, found[0].start()))
    for number, one in enumerate(found):
        begin = one.end()
        end = found[number + 1].start() if number + 1 < len(found) else len(content)
        spans += [(begin, end)] if one[1] else _part_spans(content, begin, end)
    return spans


_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_DISPOSITION: Final = re.compile(rb"content-disposition:[^\r\n]*", re.IGNORECASE)
_NAME: Final = re.compile(rb"""[;\s]name\s*=\s*(?:"([^"]*)"?|([^;\s"]+))""", re.IGNORECASE)
_FILE: Final = re.compile(rb"[;\s]filename\*?\s*=", re.IGNORECASE)


def _part_spans(content: bytes, begin: int, end: int) -> list[Span]:
    blank = _BLANK_LINE.search(content, begin, end)
    if blank is None:
        return [(begin, end)]  # its head was cut off: its name, maybe
    head = content[begin : blank.start()]
    value = (blank.end(), end)
    disposition = _DISPOSITION.search(head)
    name = _NAME.search(disposition[0]) if disposition else None
    if disposition is None or name is None or _FILE.search(disposition[0]):
        return [value]
    if is_secret_name((name[1] or name[2] or b"").decode("latin-1")):
        return [value]
    return [
        (value[0] + first, value[0] + last) for first, last in text_spans(content[slice(*value)])
    ]


# Transfer coding.


class Chunked:
    """A chunked body (RFC 9112 section 7.1), maybe cut off: its content, and where that lies.

    `extensions`: spans of the raw bytes that are chunk extensions, or no chunk at all. `trailer`:
    the span of the trailer fields, with the empty line behind them.
    """

    def __init__(self, raw: bytes) -> None:
        self._pieces: list[tuple[int, int, int]] = []  # begin in raw, begin in content, length
        self.extensions: list[Span] = []
        self.trailer: Span = (len(raw), len(raw))
        parts: list[bytes] = []
        at = length = 0
        while at < len(raw):
            size = _CHUNK_SIZE.match(raw, at)
            if size is None:
                self.extensions.append((at, len(raw)))
                break
            self.extensions.append(size.span(2))
            at, left = size.end(), int(size[1], 16)
            if not left:
                self.trailer = (at, len(raw))
                break
            piece = raw[at : at + left]
            self._pieces.append((at, length, len(piece)))
            parts.append(piece)
            length += len(piece)
            at += left
            if at < len(raw):
                if raw[at : at + 2] not in {b"\r\n", b"\r"}:
                    self.extensions.append((at, len(raw)))
                    break
                at += 2
        self.content = b"".join(parts)

    def raw_spans(self, spans: Iterable[Span]) -> list[Span]:
        """Spans of the content as spans of the raw bytes; one may lie in several chunks."""
        found: list[Span] = []
        for begin, end in spans:
            for raw_at, content_at, length in self._pieces:
                first, last = max(begin, content_at), min(end, content_at + length)
                if first < last:
                    found.append((raw_at + first - content_at, raw_at + last - content_at))
        return found
