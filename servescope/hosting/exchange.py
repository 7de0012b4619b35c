"""One request and its response, with the moments and sizes a record is made of."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Final, Protocol

from servescope.errors import ClientGoneError
from servescope.hosting.error_page import error_page
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.recording.secret_names import mask_target
from servescope.request_fields import RequestFlag
from servescope.sentences import counted
from servescope.wire.http1_response import HeadPlan, ResponseFraming, as_content, plan_head

if TYPE_CHECKING:
    from servescope.capturing.exchange_capture import ExchangeCapture
    from servescope.hosting.open_file import OpenFile
    from servescope.hosting.site import Site
    from servescope.wire.forwarded import ForwardedRequest
    from servescope.wire.http1_events import Refusal, RequestHead
    from servescope.wire.http1_response import Answer, Headers, RawHeaders
    from servescope.wire.tls_channel import TlsChannel


_ERROR_FIELDS: Final[dict[int, Headers]] = {
    # RFC 9110 section 10.2.3. Connections come and go within seconds.
    HTTPStatus.SERVICE_UNAVAILABLE: [("Retry-After", "1")],
}
"""The fields that belong to a status, unless its answer is given others."""

_log = UnfailingLogger(__name__)


class ResponseSink(Protocol):
    """The interface of a concurrency model to a response: a way out, and the time.

    An implementation adds to `exchange.write_ns` and `exchange.bytes_sent`, sets
    `exchange.last_sent_ns`, and records the exchange when the `last` byte is out. Both ways out
    raise ClientGoneError when the client left or stopped reading.
    """

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""

    def date(self, now_ns: int) -> tuple[bytes, int]:
        """The value of the Date header field at a moment of `now_ns`, and until when it holds."""

    def send(self, data: bytes, *, last: bool) -> None:
        """Send bytes, maybe none; `last` says that the response ends with them."""

    def send_file(self, head: bytes, file: OpenFile, offset: int, count: int) -> None:
        """Send `head`, then `count` bytes of a file; these end the response.

        A sink that needs the file for longer than this call takes it (`OpenFile.moved`). One that
        finds fewer bytes in it calls `cut_short` of the exchange.
        """


class Exchange:
    """One request and its response. Request side: attributes. Response side: methods.

    The response is under way (`status` is set) only once nothing of the app's is left that could
    fail: whatever an app gives is judged, rendered and framed before. So an app that fails earlier
    gets its 500, and one that goes on after an error begins anew.

    Made in two steps, the second of which is `open`: in Python 3.11 a class that is called with
    arguments starts an evaluation loop of its own, a method does not. Times are monotonic
    nanoseconds, 0 until they are known; sizes are bytes on the wire.
    """

    __slots__ = (
        "aborted",
        "body",
        "bytes_received",
        "bytes_sent",
        "capture",
        "client",
        "complete_ns",
        "first_byte_ns",
        "flags",
        "forwarded",
        "framing",
        "head",
        "head_bytes",
        "head_ready_ns",
        "is_ended",
        "is_recorded",
        "kernel_ns",
        "last_sent_ns",
        "may_keep_alive",
        "refusal",
        "requests_before",
        "route",
        "sink",
        "site",
        "status",
        "taken_ns",
        "tls",
        "write_ns",
    )

    def open(
        self,
        site: Site,
        client: tuple[str, int],
        head: RequestHead | None,
        refusal: Refusal | None,
        first_byte_ns: int,
        kernel_ns: int,
        bytes_received: int,
        flags: RequestFlag,
        requests_before: int,
        tls: TlsChannel | None = None,
    ) -> None:
        """A head is complete, or was refused."""
        self.site = site
        self.client = client
        self.forwarded: ForwardedRequest | None = None  # by trusted proxies: `forwarding`
        self.head = head
        self.refusal = refusal
        self.body: IO[bytes] | None = None  # positioned at its start, None when there is none
        self.route = ""  # the template of the route, when the application sets it
        self.flags = flags
        self.requests_before = requests_before  # on the same connection
        self.tls = tls  # the connection's
        self.status = 0  # until the head is given to the sink
        self.bytes_received = bytes_received
        self.bytes_sent = self.head_bytes = 0
        self.kernel_ns = kernel_ns  # a duration: from the kernel's receipt to our reading
        self.first_byte_ns = first_byte_ns
        self.complete_ns = self.taken_ns = 0
        self.head_ready_ns = self.last_sent_ns = 0
        self.write_ns = 0  # a duration: all of the sending
        self.is_ended = False  # the last byte was given to the sink
        self.is_recorded = False
        self.capture: ExchangeCapture | None = None  # of the few that are captured
        self.aborted = False  # the response was broken off: only closing shows the client
        # Anyone may turn it False before the head is made; the head then says so.
        self.may_keep_alive = head is not None and head.keep_alive
        self.framing: ResponseFraming | None = None  # of a response in parts, from its head on
        self.sink: ResponseSink

    @property
    def method(self) -> str:
        """The request's method, empty when there was none to read."""
        if self.head is not None:
            return self.head.method
        return self.refusal.method if self.refusal else ""

    @property
    def target(self) -> str:
        """The request's target, empty when there was none to read."""
        if self.head is not None:
            return self.head.target
        return self.refusal.target if self.refusal else ""

    @property
    def masked_target(self) -> str:
        """The target as it may be written, into a log or a file: without the secrets in it."""
        return mask_target(self.target)

    @property
    def keep_alive(self) -> bool:
        """Whether the connection outlives this response."""
        return self.may_keep_alive and not self.aborted

    @property
    def is_head(self) -> bool:
        """Whether the request's method is HEAD: the response has no content."""
        return self.head is not None and self.head.method == "HEAD"

    def header(self, name: bytes) -> str:
        """The first value of a request header by its lower-case name, empty without one."""
        value = self.head.header(name) if self.head is not None else None
        return value.decode("latin-1") if value else ""

    def combined_header(self, name: bytes) -> str:
        """A request header's lines as one value (RFC 9110 section 5.3), empty without one."""
        head = self.head
        if head is None or head.header(name) is None:
            return ""
        lines = [value for known, value in head.headers if known == name]
        return b",".join(lines).decode("latin-1")

    def date(self) -> str:
        """The value of the Date field of an answer that is made now."""
        value, _ = self.sink.date(self.sink.now_ns())
        return value.decode()

    def begin(self, sink: ResponseSink, now_ns: int) -> None:
        """A worker takes the request."""
        self.sink = sink if self.capture is None else self.capture.watch(sink)
        self.taken_ns = now_ns

    def respond(
        self,
        status: int,
        headers: Headers | RawHeaders,
        content: bytes = b"",
        phrase: str | None = None,
        block: bytes = b"",
    ) -> None:
        """Answer with a whole response, head and content in one send.

        `block` holds header lines from `wire.http1_response.render_block`, beside `headers`.
        """
        if type(content) is not bytes:
            content = as_content(content)
        request, sink = self.head, self.sink
        # Looked up apart from their calls: in Python 3.11 that is quicker for what is no method.
        date, now_ns = sink.date, sink.now_ns
        length = len(content)
        answer = status, phrase, tuple(headers), length, block
        # The same request mostly gets the same head.
        plan = None if request is None else request.notes.get(HeadPlan)
        if plan is None or plan.answer != answer:
            plan = self._plan(answer)
        if plan.closes or self.site.draining:
            self.may_keep_alive = False
        self.head_ready_ns = moment = now_ns()
        head = plan.head_at(moment, self.may_keep_alive, date)
        if plan.length == length:
            data = head + content
        else:
            data = head + plan.body(content)
            self._check_length((plan.length or 0) - length)
        self.head_bytes = len(head)
        self.status = status
        self.is_ended = True
        try:  # as `_send`, without the call
            sink.send(data, last=True)
        except BaseException as error:
            self.break_off(error)
            raise

    def _plan(self, answer: Answer) -> HeadPlan:
        request = self.head
        if request is None:
            return plan_head(answer, 1, False)
        plan = plan_head(answer, request.minor_version, request.method == "HEAD")
        request.notes[HeadPlan] = plan
        return plan

    def respond_file(
        self,
        status: int,
        headers: Headers,
        file: OpenFile,
        offset: int,
        count: int,
        phrase: str | None = None,
    ) -> None:
        """Answer with `count` bytes of a file; fewer when that is announced, none without content.

        The caller closes the file; the sink may have taken it.
        """
        head, framing = self._begin(status, headers, count, phrase)
        admitted = framing.admit_file(count)
        self._check_length(framing.missing_bytes or 0)
        if not admitted:
            self._send(head, last=True)
            return
        self.is_ended = True
        try:
            self.sink.send_file(head, file, offset, admitted)
        except BaseException as error:
            self.break_off(error)
            raise

    def respond_error(self, status: int, reason: str, headers: Headers | None = None) -> None:
        """Answer with a short page that names status and reason."""
        content_type, content = error_page(status, reason, self.header(b"accept"))
        fields = headers or _ERROR_FIELDS.get(status, [])
        self.respond(status, [("Content-Type", content_type), *fields], content)

    def respond_in_parts(
        self,
        status: int,
        headers: Headers | RawHeaders,
        content: bytes,
        length: int | None = None,
        phrase: str | None = None,
    ) -> None:
        """Send the head of a response, of `length` bytes where that is known, and its first part.

        More may follow with `send_part`; `end` ends it.
        """
        if type(content) is not bytes:
            content = as_content(content)
        head, framing = self._begin(status, headers, length, phrase)
        self._send(head + framing.content(content), last=framing.is_satisfied)

    def _begin(
        self, status: int, headers: Headers | RawHeaders, length: int | None, phrase: str | None
    ) -> tuple[bytes, ResponseFraming]:
        """The head of a response in parts; from here on it is under way.

        Raises ResponseError, with nothing under way, when a header is unfit.
        """
        if self.site.draining:
            self.may_keep_alive = False
        request = self.head
        framing = ResponseFraming(
            1 if request is None else request.minor_version,
            is_head=self.is_head,
            keep_alive=self.may_keep_alive,
        )
        now_ns = self.sink.now_ns()
        date, _ = self.sink.date(now_ns)
        head = framing.head(status, phrase, headers, date, length)
        self.framing = framing
        self.may_keep_alive = framing.keep_alive
        self.head_ready_ns = now_ns
        self.head_bytes = len(head)
        self.status = status
        return head, framing

    def send_part(self, content: bytes) -> None:
        """Send a part of a response in parts; without effect when that has ended."""
        if type(content) is not bytes:
            content = as_content(content)
        framing = self.framing
        if framing is None or self.is_ended:
            return
        data = framing.content(content)
        if data:
            self._send(data, last=framing.is_satisfied)

    def end(self) -> None:
        """Close the response's body. Without effect when it has ended."""
        framing = self.framing
        if framing is not None and not self.is_ended:
            self._check_length(framing.missing_bytes or 0)
            self._send(framing.end(), last=True)

    def _send(self, data: bytes, *, last: bool) -> None:
        self.is_ended = last
        try:
            self.sink.send(data, last=last)
        except BaseException as error:
            self.break_off(error)
            raise

    def break_off(self, error: BaseException) -> None:
        """Sending has failed, be it that the client left: nobody knows how much of it is out."""
        self.aborted = True
        if isinstance(error, ClientGoneError):
            self.flags |= RequestFlag.ABORTED

    def _check_length(self, missing: int) -> None:
        if missing > 0:
            less = counted(missing, "byte")
            self.cut_short(f"the application gave {less} less than its Content-Length")

    def cut_short(self, reason: str) -> None:
        """Less content than announced: only the end of the connection shows it to the client."""
        self.aborted = True
        self.flags |= RequestFlag.APP_ERROR
        _log.warning(
            "listener %s: %s on %s %s", self.site.name, reason, self.method, self.masked_target
        )

    def fail(self) -> None:
        """The application raised: answer 500, or break off what is under way."""
        self.flags |= RequestFlag.APP_ERROR
        if self.is_ended:  # what was to be sent is with the sink
            return
        if self.status:
            self.aborted = True
            return
        self.may_keep_alive = False
        self.respond_error(
            HTTPStatus.INTERNAL_SERVER_ERROR, "The application failed; its log says why."
        )
