"""Lines of an access log, as Apache httpd writes them (mod_log_config, formats common, combined).

    client - - [21/Nov/2026:05:30:01 +0000] "GET / HTTP/1.1" 200 512 "referer" "user agent"

The time is that of the last byte sent, in the local zone; the bytes are those of the response
without its head. An unknown or empty value is `-`. Bytes from the client cannot end a field or a
line: a quote, a backslash, and everything that is no printable ASCII is escaped. Secrets in the
request target and in the Referer are masked (`recording.secret_names`).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from servescope.recording.secret_names import mask_target
from servescope.records.listeners import AccessLogFormat

if TYPE_CHECKING:
    from servescope.wire.http1_events import Refusal, RequestHead

Entry = tuple[int, str, "RequestHead | None", "Refusal | None", int, int]
"""A line's values: end in epoch ns, client, head or refusal, status, bytes of the body."""

_NS: Final = 1_000_000_000
_SECONDS_PER_MINUTE: Final = 60
_MOST_KNOWN: Final = 256
_INFORMATIONAL_BELOW: Final = 200
_MONTHS: Final = (  # in English, whatever the locale; tm_mon counts from 1
    "", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
)  # fmt: skip
_UNSAFE: Final = re.compile(r"[^ !#-\[\]-~]")
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str) -> str:
    """Latin-1 text with quotes, backslashes and what is no printable ASCII escaped."""
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT.get(character) or f"\\x{ord(character):02x}"


def moment(epoch_s: int) -> str:
    """A second as the log writes it, with the local zone's offset then."""
    local = time.localtime(epoch_s)
    sign = "-" if local.tm_gmtoff < 0 else "+"
    hours, minutes = divmod(abs(local.tm_gmtoff) // _SECONDS_PER_MINUTE, 60)
    return (
        f"{local.tm_mday:02}/{_MONTHS[local.tm_mon]}/{local.tm_year}:"
        f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {sign}{hours:02}{minutes:02}"
    )


class LineWriter:
    """Turns entries into lines; used by one thread."""

    def __init__(self, form: AccessLogFormat) -> None:
        self._is_combined = form is AccessLogFormat.COMBINED
        # A head that repeats is one object (see wire.http1_known_heads): its texts are kept. The
        # head is kept with them, so that no other one gets its id.
        self._known: dict[int, tuple[RequestHead, str, str]] = {}
        self._second = -1
        self._moment = ""

    def line(self, entry: Entry) -> str:
        """The line of an entry, its end included."""
        end_ns, client, head, refusal, status, body_bytes = entry
        second = end_ns // _NS
        if second != self._second:
            self._second, self._moment = second, moment(second)
        size = body_bytes if body_bytes > 0 and status >= _INFORMATIONAL_BELOW else "-"
        if head is None:
            request, fields = _request(None, refusal), self._fields(None)
        else:
            known = self._known.get(id(head))
            _, request, fields = self._keep(head) if known is None else known
        return f'{client or "-"} - - [{self._moment}] "{request}" {status or "-"} {size}{fields}\n'

    def _keep(self, head: RequestHead) -> tuple[RequestHead, str, str]:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = self._known[id(head)] = (head, _request(head, None), self._fields(head))
        return known

    def _fields(self, head: RequestHead | None) -> str:
        if not self._is_combined:
            return ""
        referer, agent = _field(head, b"referer"), _field(head, b"user-agent")
        return f' "{escaped(mask_target(referer))}" "{escaped(agent)}"'


def _request(head: RequestHead | None, refusal: Refusal | None) -> str:
    """The request line; without the version when the head was not read, `-` when nothing was."""
    if head is not None:
        return f"{escaped(head.method)} {_target(head.target)} HTTP/1.{head.minor_version}"
    if refusal is not None and refusal.method:
        return f"{escaped(refusal.method)} {_target(refusal.target)}".rstrip()
    return "-"


def _target(target: str) -> str:
    return escaped(mask_target(target))


def _field(head: RequestHead | None, name: bytes) -> str:
    value = head.header(name) if head is not None else None
    return value.decode("latin-1") if value else "-"
