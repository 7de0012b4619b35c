"""One exchange while it is captured: all that its conversation, its app and its way out do.

Theory of operation. An exchange has one of these, or None, which costs it one look at an attribute.
It receives the bytes of the request as they are read, stands between the exchange and its sink,
and between the app and the server. All of it stays in memory, bounded, until the exchange is over;
then `ending` is called once with it. It knows no clock: the moments are those of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from servescope.capturing.frames import FrameHeads
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from servescope.capturing.frames import FrameHead

HEAD_BYTES: Final = 65_536
"""Bytes kept of a head."""

BODY_BYTES: Final = 16_384
"""Bytes kept of a body, from its first one on."""

MOST_EVENTS: Final = 400
"""Steps, messages and frames kept of one exchange."""

FRAMES_BYTES: Final = 65_536
"""Bytes kept of a WebSocket's messages, both ways together."""

MESSAGE_BYTES: Final = 2_048
"""Bytes kept of one message of a WebSocket."""

Message = dict[str, Any]


class Step(NamedTuple):
    """Something that happened; `at_ns` by the model's monotonic clock."""

    at_ns: int
    name: str
    text: str = ""


class AsgiEvent(NamedTuple):
    """A message between server and app; `told` as the app saw it, but for its bytes."""

    at_ns: int
    is_sent: bool  # by the app; else it was received
    told: Message


class Frame(NamedTuple):
    """A frame of a WebSocket, when the last byte of its head was read or sent."""

    at_ns: int
    is_sent: bool  # by the server
    head: FrameHead


class FirstBytes:
    """The first bytes of something that may be long."""

    __slots__ = ("kept", "limit", "size")

    def __init__(self, limit: int = BODY_BYTES) -> None:
        self.kept = bytearray()
        self.limit = limit
        self.size = 0  # in all

    def add(self, data: bytes | memoryview) -> None:
        """More of it."""
        self.size += len(data)
        room = self.limit - len(self.kept)
        if room > 0:
            self.kept += data[:room]


class File(Protocol):
    """A file as `send_file` gets it."""

    def fileno(self) -> int:
        """The descriptor."""


class Sink(Protocol):
    """A way out for responses: `hosting.exchange.ResponseSink`."""

    def now_ns(self) -> int: ...
    def date(self, now_ns: int, /) -> tuple[bytes, int]: ...
    def send(self, data: bytes, *, last: bool) -> None: ...
    def send_file(self, head: bytes, file: Any, offset: int, count: int) -> None: ...


class Judge(Protocol):
    """The one who decides about captures, and takes those that are over."""

    masks_query: bool

    def accept(self, capture: ExchangeCapture, route: str, total_ns: float) -> int:
        """The id under which it is kept; 0: it is not."""

    def describe(self, exchange: Any, route: str, end_ns: int) -> dict[str, Any]:
        """The facts of an answered `hosting.exchange.Exchange` that are kept with it."""

    def keep(self, capture: ExchangeCapture) -> None:
        """It is over, or goes on for a while: keep what there is."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""

    def thread_name(self) -> str:
        """The name of the thread that asks."""

    def read_file(self, file: File, offset: int, count: int) -> bytes:
        """Bytes of a file; none when it cannot be read."""


class ExchangeCapture:
    """All that is kept of one exchange."""

    def __init__(self, judge: Judge, head: bytes, first_byte_ns: int, kernel_ns: int) -> None:
        self.judge = judge
        self.id = 0  # once it was accepted
        self.first_byte_ns = first_byte_ns
        self.kernel_ns = kernel_ns
        self.head = FirstBytes(HEAD_BYTES)
        self.head.add(head)
        self.body = FirstBytes()
        self.response_head = FirstBytes(HEAD_BYTES)
        self.response_body = FirstBytes()
        self.steps: list[Step] = []
        self.events: list[AsgiEvent] = []
        self.frames: list[Frame] = []
        self.messages = FirstBytes(FRAMES_BYTES)  # of a WebSocket; counts what is kept of them
        self.omitted = 0  # steps, events and frames beyond MOST_EVENTS
        self.environ: dict[str, Any] | None = None  # as the app was called with it
        self.scope: dict[str, Any] | None = None
        self.start_response: tuple[str, list[tuple[str, str]]] | None = None
        self.thread = ""  # the one that called the app
        self.facts: Mapping[str, Any] = {}  # what the recorder knows once it is answered
        self._frame_heads = {is_sent: FrameHeads() for is_sent in (False, True)}
        self._is_answering = False
        self._is_over = False

    def note(self, name: str, text: str = "", at_ns: int = 0) -> None:
        """Something happens, now if `at_ns` is 0."""
        if len(self.steps) < MOST_EVENTS:
            self.steps.append(Step(at_ns or self.judge.now_ns(), name, text))
        else:
            self.omitted += 1

    # The request.

    def take_body(self, data: bytes, at_ns: int) -> None:
        """Bytes of the body as they came, transfer coding included."""
        self.body.add(data)
        self.note("body", f"{counted(len(data), 'byte')} read", at_ns)

    # The app.

    def begin_wsgi_call(
        self, environ: Mapping[str, Any], start_response: Callable[..., Any]
    ) -> Callable[..., Any]:
        """A WSGI app is about to be called; a `start_response` that is told of."""
        self.environ = dict(environ)
        self.thread = self.judge.thread_name()
        self.note("environ", counted(len(environ), "key"))

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            at_ns = self.judge.now_ns()
            write = start_response(status, headers, exc_info)
            self.start_response = status, list(headers)
            self.note("start_response", status, at_ns)
            return write

        self.note("call", f"on thread {self.thread}")
        return start

    def begin_asgi_call(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> tuple[Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]]:
        """An ASGI app is about to be called; a `receive` and a `send` that are told of."""
        self.scope = dict(scope)
        self.thread = self.judge.thread_name()
        self.note("scope", counted(len(scope), "key"))

        async def received() -> Message:
            message = await receive()
            self._add_event(message, is_sent=False)
            return message

        def sent(message: Message) -> Awaitable[None]:
            self._add_event(message, is_sent=True)
            return send(message)

        self.note("call", f"on thread {self.thread}")
        return received, sent

    def _add_event(self, message: Message, *, is_sent: bool) -> None:
        if len(self.events) >= MOST_EVENTS:
            self.omitted += 1
            return
        at_ns = self.judge.now_ns()
        self.events.append(AsgiEvent(at_ns, is_sent, self._without_content(message)))

    def _without_content(self, message: Message) -> Message:
        """A message with the lengths of its bytes, and the first of a WebSocket's text."""
        told: Message = {}
        for name, value in message.items():
            if name in {"body", "bytes"} and value is not None:
                told[name] = counted(len(value), "byte")
            elif name == "text" and isinstance(value, str):
                room = self.messages.limit - len(self.messages.kept)
                told[name] = value[: min(MESSAGE_BYTES, room)]
                told["text_length"] = len(value)
                self.messages.add(told[name].encode("utf-8", "replace"))
            else:
                told[name] = list(value) if name == "headers" else value
        return told

    def note_returned(self, result: object) -> None:
        """The app has returned; of a WSGI app the iterable."""
        self.note("returned", type(result).__name__)

    def watch_pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces of a body that a WSGI app gives one by one; each becomes a step."""
        for piece in pieces:
            size = counted(len(piece), "byte") if isinstance(piece, bytes) else type(piece).__name__
            self.note("piece", size)
            yield piece

    # The response.

    def watch(self, sink: Sink) -> WatchedSink:
        """A sink that tells of what passes it on its way to `sink`."""
        return WatchedSink(self, sink)

    def take_response(self, data: bytes, at_ns: int) -> None:
        """Bytes of the response, about to be sent: its head, until the empty line, comes first."""
        size = len(data)
        if not self._is_answering:
            head, blank, data = data.partition(b"\r\n\r\n")
            self.response_head.add(head + blank)
            self._is_answering = True
        self.response_body.add(data)
        self.note("send", counted(size, "byte"), at_ns)

    def take_file(self, file: File, offset: int, count: int) -> None:
        """A response whose content is that of a file."""
        room = max(self.response_body.limit - len(self.response_body.kept), 0)
        first = self.judge.read_file(file, offset, min(count, room))
        self.response_body.add(first)
        self.response_body.size += count - len(first)

    def take_frames(self, data: bytes, *, is_sent: bool) -> None:
        """Bytes of a WebSocket, in one direction."""
        at_ns = self.judge.now_ns()
        for head in self._frame_heads[is_sent].feed(data):
            if len(self.frames) < MOST_EVENTS:
                self.frames.append(Frame(at_ns, is_sent, head))
            else:
                self.omitted += 1

    def keep_for_now(self) -> None:
        """It goes on for long, as a WebSocket does: its beginning can be looked at already."""
        self.judge.keep(self)

    def finish(self) -> None:
        """The exchange is over, or its connection is closed under it."""
        if not self._is_over:
            self._is_over = True
            self.judge.keep(self)


class WatchedSink:
    """Stands between an exchange and its sink, and has all else of the sink (see `Channel`)."""

    def __init__(self, capture: ExchangeCapture, sink: Any) -> None:
        self._capture = capture
        self._sink = sink
        self.now_ns: Callable[[], int] = sink.now_ns
        self.date: Callable[[int], tuple[bytes, int]] = sink.date

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def send(self, data: bytes, *, last: bool) -> None:
        """Send bytes (see ResponseSink)."""
        self._capture.take_response(data, self.now_ns())
        self._sink.send(data, last=last)

    def send_file(self, head: bytes, file: Any, offset: int, count: int) -> None:
        """Send a head and bytes of a file (see ResponseSink)."""
        self._capture.take_response(head, self.now_ns())
        self._capture.take_file(file, offset, count)
        self._capture.note("send", f"{counted(count, 'byte')} of a file")
        self._sink.send_file(head, file, offset, count)

    def send_frames(self, data: bytes) -> None:
        """Send frames of a WebSocket (see Channel)."""
        self._capture.take_frames(data, is_sent=True)
        self._sink.send_frames(data)
