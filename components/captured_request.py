"""The captured parts of a request: steps, bytes, environ or scope, messages, frames."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import html

from components.help import attributes, help_mark
from components.one_request import facts
from components.page_links import linked
from components.tables import figure_table
from servescope.capturing.masking import Chunked
from servescope.figures import units
from servescope.formats.curl import curl
from servescope.queries.request_words import is_other_method
from servescope.recording.secret_names import MASK
from servescope.records.listeners import UNIX, ListenerState
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dash.development.base_component import Component

    from servescope.queries.rows import LogRow
    from servescope.records.listeners import ListenerStatus

MEANING: Final = {
    "parse": "the head is parsed",
    "body": "bytes of the body are read",
    "read": "the request is complete, its body included",
    "interim": "the client is told to go on",
    "taken": "a thread takes the request, or the event loop does",
    "environ": "the WSGI environ is ready",
    "scope": "the ASGI scope is ready",
    "call": "the app is called",
    "start_response": "the app names status and header fields",
    "returned": "the app gives its iterable back",
    "piece": "the app gives a piece of the body",
    "send": "bytes of the response go to the socket",
    "transmit": "the end of the response",
}
HELP: Final = (
    "The request and its response as they were on the connection, each step with the time at which "
    "it happened, and what the app was given. Requests are captured on demand only, by Capture on "
    "the page Requests; secrets are masked before anything is written."
)
OPCODES: Final = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_ANY_PORT: Final = "PORT"
"""In the place of a port that is not known yet."""
_HEX_WIDTH: Final = 16
_MOST_HEX: Final = 2_048
_NS: Final = 1e9

Document = dict[str, Any]


def captured(document: Document, listener: ListenerStatus | None) -> dmc.Card:
    """The tabs of what was captured; `listener`: the one that answered, if it is still here."""
    tabs: dict[str, Component] = {
        "Steps": steps(document),
        "Request": _message(document["request"]),
        "Response": _message(document["response"]),
    }
    if document["environ"] is not None:
        tabs["Environ"] = html.Div([_start_response(document), facts(document["environ"])])
    if document["scope"] is not None:
        tabs["Scope"] = _scope(document["scope"])
    if document["events"]:
        tabs["Messages"] = _events(document)
    if document["frames"]:
        tabs["Frames"] = _frames(document)
    if listener is not None:
        tabs["curl"] = _curl(document, listener)
    return dmc.Card(
        withBorder=True,
        padding="sm",
        className="panel wide captured",
        children=[
            _panel_heading(),
            html.P(_masks(document)),
            dmc.Tabs(
                [
                    html.Div(
                        dmc.TabsList([dmc.TabsTab(name, value=name) for name in tabs]),
                        className="tabs-scroll",
                    ),
                    *(dmc.TabsPanel(panel, value=name, pt="sm") for name, panel in tabs.items()),
                ],
                value="Steps",
            ),
        ],
    )


def _panel_heading() -> html.Div:
    return html.Div(
        [dmc.Title("Captured", order=2, size="h6"), help_mark(HELP)], className="card-heading"
    )


def _masks(document: Document) -> str:
    """In how many places a secret was masked, bodies among them, and what was left out."""
    masks = str(document).count(MASK) + sum(
        base64.b64decode(document[message]["body"].get("kept") or "").count(MASK.encode())
        for message in ("request", "response")
    )
    told = "No secret was found in it."
    if masks:
        hold = "holds" if masks == 1 else "hold"
        told = (
            f"{counted(masks, 'place')} {hold} {MASK} instead of a secret; the secret was not "
            "written."
        )
    omitted = document["omitted"]
    if omitted:
        further = counted(omitted, "further step or message", "further steps and messages")
        told += f" {further} {'was' if omitted == 1 else 'were'} left out."
    return told


def steps(document: Document) -> html.Div:
    """Each step with its time since the first byte."""
    loaded = html.Span(
        className="moment", **attributes(data_epoch_seconds=f"{document['loaded_s']:.6f}")
    )
    rows: list[tuple[Component | str | units.Duration, ...]] = [
        (_step("load", "the app was loaded at ", loaded), "before")
    ]
    rows += [
        (_step(name, MEANING.get(name, ""), f": {text}" if text else ""), _since(at_ns))
        for at_ns, name, text in document["steps"]
    ]
    return figure_table(("Step", "Since the first byte"), rows, empty="")


def _step(name: str, *told: Component | str) -> html.Div:
    return html.Div([html.B(name), html.Div([*told], className="dimmed")])


def _since(at_ns: float) -> units.Duration:
    return units.Duration(max(at_ns, 0) / _NS)


def _message(message: Mapping[str, Any]) -> html.Div:
    """A head as text, and the first bytes of a body as text and as hex."""
    return html.Div(
        [
            _block("Head", message["head"] or "none"),
            *_body(message["body"]),
        ]
    )


def _block(heading: str, text: str) -> html.Div:
    return html.Div(
        [
            dmc.Title(heading, order=3, size="h6"),
            html.Pre(text, tabIndex=0, **attributes(aria_label=heading)),
        ],
        className="bytes",
    )


def _body(body: Mapping[str, Any]) -> list[Component]:
    size = body["size"]
    if not size:
        return [html.P("There was no body.")]
    if body["kept"] is None:
        return [html.P(f"The body of {units.text(size, 'By')} is not kept: {body['why']}.")]
    kept = base64.b64decode(body["kept"])
    shown = f"Body, {units.text(size, 'By')}"
    if body["is_cut"]:
        shown += f": its first {units.text(len(kept), 'By')}"
    if body["is_chunked"]:
        shown += ", with the sizes of its chunks"
    return [
        _block(shown, kept.decode("utf-8", "replace")),
        html.Details(
            [html.Summary("As hexadecimal"), html.Pre(hexadecimal(kept[:_MOST_HEX]), tabIndex=0)]
        ),
    ]


def hexadecimal(data: bytes) -> str:
    """Bytes by sixteens: offset, digits, printable characters."""
    lines = []
    for at in range(0, len(data), _HEX_WIDTH):
        row = data[at : at + _HEX_WIDTH]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)


def _start_response(document: Document) -> Component:
    called = document["start_response"]
    if called is None:
        return html.P("The app did not call start_response.")
    lines = [f"start_response({called['status']!r}, ["]
    lines += [f"    ({name!r}, {value!r})," for name, value in called["headers"]]
    return _block("The call of start_response", "\n".join([*lines, "])"]))


def _scope(scope: Mapping[str, Any]) -> html.Dl:
    return facts({name: _told(value) for name, value in scope.items()})


def _told(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(f"{name}: {one}" for name, one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items()) or "empty"
    return str(value)


def _events(document: Document) -> html.Div:
    rows = [
        (
            "sent by the app" if is_sent else "received by the app",
            str(told.get("type", "")),
            html.Span(
                "; ".join(f"{name} {_told(one)}" for name, one in told.items() if name != "type"),
                className="told",
            ),
            _since(at_ns),
        )
        for at_ns, is_sent, told in document["events"]
    ]
    return figure_table(
        ("Way", "Message", "Holds", "Since the first byte"), rows, empty="", words=3
    )


def _frames(document: Document) -> html.Div:
    rows = [
        (
            "from the server" if is_sent else "from the client",
            OPCODES.get(opcode, str(opcode)),
            ", ".join(
                name
                for name, is_so in (("last part", is_final), ("compressed", is_compressed))
                if is_so
            ),
            units.text(length, "By"),
            _since(at_ns),
        )
        for at_ns, is_sent, opcode, is_final, is_compressed, length in document["frames"]
    ]
    headings = ("Way", "Frame", "Marks", "Payload", "Since the first byte")
    return figure_table(headings, rows, empty="", words=3)


def head_fields(document: Document) -> list[tuple[str, str]]:
    """The header fields of the request as they came, without its secrets."""
    lines = document["request"]["head"].split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [(name, value.strip()) for name, _, value in pairs]


def content(document: Document) -> bytes:
    """The content of the request, without transfer coding, as far as it is kept."""
    body = document["request"]["body"]
    kept = base64.b64decode(body["kept"] or "")
    return Chunked(kept).content if kept and body["is_chunked"] else kept


def why_not_whole(document: Document) -> str:
    """Why the request cannot be sent as it was; empty when it can."""
    body = document["request"]["body"]
    if body["size"] and body["kept"] is None:
        return "its body is not kept"
    if body["size"] and body["is_cut"]:
        return "only the first bytes of its body are kept"
    if body["size"] and body["is_chunked"] and MASK.encode() in base64.b64decode(body["kept"]):
        return "a secret was masked in its chunks"
    return ""


def _curl(document: Document, listener: ListenerStatus) -> html.Div:
    notes = _of_listener(listener)
    if MASK in document["request"]["head"] or MASK.encode() in content(document):
        notes.append(f"Secrets were masked: put them in the place of each {MASK}.")
    reason = why_not_whole(document)
    if reason:
        notes.append(f"This is not the whole request: {reason}.")
    return _command(notes, command_of(document, listener))


def _of_listener(listener: ListenerStatus) -> list[str]:
    """Say that a listener does not run, and that its port is to be filled in where it has none."""
    if listener.state is ListenerState.RUNNING:
        return []
    if listener.port or listener.address.startswith(UNIX):
        return [f"Listener {listener.name} does not run now: start it first."]
    start = f"Listener {listener.name} does not run now, and gets any free port when it starts"
    return [f"{start}: put it in the place of {_ANY_PORT}."]


def _command(notes: Sequence[str], command: str) -> html.Div:
    """A command of curl to copy, with what is to be known about it."""
    return html.Div(
        [
            html.Div(
                [
                    html.Span(" ".join(notes) or "The request as it came."),
                    html.Button(
                        "Copy as curl",
                        type="button",
                        className="menu-button",
                        **attributes(data_copy="request-curl"),
                    ),
                ],
                className="card-heading",
            ),
            html.Pre(
                "".join(f"# {note}\n" for note in notes) + command, id="request-curl", tabIndex=0
            ),
        ],
        className="bytes",
    )


def command_of(document: Document, listener: ListenerStatus) -> str:
    """The request as a command line of curl."""
    return _curl_of(
        listener,
        document["method"],
        document["target"],
        head_fields(document),
        b"" if why_not_whole(document) else content(document),
    )


def _curl_of(
    listener: ListenerStatus,
    method: str,
    target: str,
    fields: Sequence[tuple[str, str]],
    body: bytes = b"",
) -> str:
    is_unix = listener.address.startswith(UNIX)
    base = "http://localhost" if is_unix else listener.url.rstrip("/")
    if not is_unix and not listener.port:
        base = f"{base.removesuffix(':0')}:{_ANY_PORT}"
    socket = listener.address.removeprefix(UNIX) if is_unix else ""
    return curl(method, base + target, fields, body, unix_socket=socket)


def not_captured(reason: str, row: LogRow, listener: ListenerStatus | None) -> dmc.Card:
    """In the place of what was captured: why there is nothing, and a command of what is known."""
    command = []
    if listener is not None and row.target.startswith("/") and not is_other_method(row.method):
        notes = [
            "Only its method, its target and its user agent are known.",
            *_of_listener(listener),
        ]
        if MASK in row.target:
            notes.append(f"Secrets were masked: put them in the place of each {MASK}.")
        agent = [("User-Agent", row.user_agent)] if row.user_agent else []
        command = [_command(notes, _curl_of(listener, row.method, row.target, agent))]
    return dmc.Card(
        [_panel_heading(), html.P(linked(reason)), *command],
        withBorder=True,
        padding="sm",
        className="panel wide captured",
    )
