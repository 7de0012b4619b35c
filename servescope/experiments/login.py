"""A login as a browser does it, and the session's cookie on its way."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener
    from servescope.load.timed_exchange import TimedExchange

LOGIN: Final = "/login"
PRIVATE: Final = "/rating"
_TOKEN: Final = re.compile(rb'name="csrf_token" value="([^"]+)"')
_OK, _SEE_OTHER = 200, 303
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_MOST_PAYLOAD: Final = 65_536


@dataclass(frozen=True, slots=True)
class Login:
    """A login under the person's name; then a private page with the cookie, and with a forged one.

    Measured are the `steps`, the `payload` of the cookie as text, and the `status` of the private
    page with a cookie of which one letter was changed.
    """

    listener: TemporaryListener  # of servescope.demo.accounts

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Log in, and read the cookie."""
        with host.listener(self.listener) as process, host.span():
            return _Browser(process.address, host).log_in(host.text.strip())


class _Browser:
    """A client that keeps one cookie, and notes what travels."""

    def __init__(self, address: tuple[str, int], host: ExperimentHost) -> None:
        self._address = address
        self._host = host
        self._told = Transcript()
        self._cookie = ""

    def log_in(self, name: str) -> dict[str, Any]:
        form = self._asked("asks for the form", LOGIN)
        token = _TOKEN.search(form.content)
        if token is None:
            raise LoadRefusedError("the page of the login has no form")
        content = urlencode({"csrf_token": token[1].decode(), "name": name}).encode()
        answer = self._asked("sends the form", LOGIN, content)
        if answer.status != _SEE_OTHER:
            raise LoadRefusedError(f"the app refused the name: status {answer.status}")
        page = self._asked("asks for a private page, with the cookie", PRIVATE)
        if page.status != _OK:
            raise LoadRefusedError(f"the private page has status {page.status}")
        payload = payload_of(self._cookie)
        self._told.add("client", "decodes the cookie: no key is needed for that", payload.encode())
        self._cookie = forged(self._cookie)
        refused = self._asked("changes one letter of the cookie, and asks again", PRIVATE)
        return {"payload": payload, "status": refused.status, "steps": self._told.steps}

    def _asked(self, words: str, target: str, content: bytes = b"") -> TimedExchange:
        fields = {"Cookie": self._cookie} if self._cookie else {}
        method = "GET"
        if content:
            method, fields = "POST", fields | _FORM
        request = request_bytes(self._address, target, fields, method=method, content=content)
        self._told.add("client", words, request)
        answer = exchange(self._address, request, self._host.left_s())
        self._told.add("server", f"answers with status {answer.status}", answer.head)
        given = answer.field("Set-Cookie").partition(";")[0]
        self._cookie = given or self._cookie
        return answer


def payload_of(cookie: str) -> str:
    """The content of a cookie that itsdangerous has signed; empty when it is none."""
    value = cookie.partition("=")[2]
    is_deflated = value.startswith(".")
    encoded = value.removeprefix(".").partition(".")[0]
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if is_deflated:
            data = zlib.decompressobj().decompress(data, _MOST_PAYLOAD)
    except (binascii.Error, zlib.error):
        return ""
    return data.decode("utf-8", "replace")


def forged(cookie: str) -> str:
    """The cookie with another letter at the fifth place of its value."""
    name, _, value = cookie.partition("=")
    other = "B" if value[4:5] == "A" else "A"
    return f"{name}={value[:4]}{other}{value[5:]}"
