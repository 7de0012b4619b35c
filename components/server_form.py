"""The forms that change and add a listener: their fields, and the values that these show."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import html

from components.action_bar import action_bar
from components.help import attributes
from components.status import sentence
from servescope.actions.listeners import ListenerRequest, NewListenerRequest
from servescope.errors import ListenerRefusedError
from servescope.records.listeners import (
    UNIX,
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerStatus,
    ShownCertificate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.errors import ServescopeError

CHOSEN: Final = "server-chosen"
FIELDS: Final = (
    "server-port",
    "server-model",
    "server-threads",
    "server-workers",
    "server-deny",
    "server-allow",
    "server-app",
)
"""Ids of the fields with a `value`, in the order of ListenerRequest."""

LOG_FIELD: Final = "server-log"
"""Id of the switch, which has `checked`."""

NAMES: Final = ("port", "model", "threads", "workers", "deny", "allow", "app")
"""The names of FIELDS in ListenerRequest, and in an error."""

BUTTONS: Final = (
    "server-apply",
    "server-start",
    "server-stop",
    "server-restart",
    "server-reset",
    "server-remove",
)
NEW_FIELDS: Final = ("server-new-name", "server-new-app", "server-new-port")
"""Of the form that adds a listener, in the order of NewListenerRequest."""

NEW_NAMES: Final = ("name", "app", "port")
"""The names of NEW_FIELDS in NewListenerRequest, and in an error."""

EXPIRY_WARNING_DAYS: Final = 14
"""A certificate that ends within so many days stands out on its card."""

_MODELS: Final = [{"value": model, "label": model.label} for model in ConcurrencyModel]


def changeable(listeners: Sequence[ListenerStatus]) -> list[str]:
    """Names of those a person may change."""
    return [one.name for one in listeners if not one.is_temporary]


def server_form(
    listeners: Sequence[ListenerStatus], why_not: str, apps: Sequence[str], rule: str
) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be changed.

    `apps` are the choices, `rule` says which others may be hosted.
    """
    first = listeners[0] if listeners else None
    values = field_values(first) if first else (None,) * len(FIELDS)
    port, model, threads, workers, deny, allow, app = values
    fields = [
        dmc.Select(
            id=CHOSEN,
            label="Listener",
            description="to change",
            data=changeable(listeners),
            value=first.name if first else None,
            allowDeselect=False,
        ),
        dmc.Autocomplete(
            id=FIELDS[6], label="App", description="module:attribute, or a folder's whole path",
            data=list(apps), value=app, className="wide",
        ),
        dmc.NumberInput(
            id=FIELDS[0], label="Port", description="0 picks a free one", value=port,
            allowDecimal=False, hideControls=True,
        ),
        dmc.Select(
            id=FIELDS[1], label="Model", description="of concurrency",
            data=_MODELS, value=model, allowDeselect=False,
        ),
        dmc.NumberInput(
            id=FIELDS[2], label="Threads", description="of each process", value=threads,
            allowDecimal=False,
        ),
        dmc.NumberInput(
            id=FIELDS[3], label="Workers", description="processes of prefork", value=workers,
            allowDecimal=False,
        ),
        dmc.TextInput(
            id=FIELDS[4], label="Deny", description="addresses, networks: 403", value=deny,
            placeholder="192.0.2.0/24, 2001:db8::/32", className="wide",
        ),
        dmc.TextInput(
            id=FIELDS[5], label="Allow", description="when given, nobody else", value=allow,
            placeholder="everybody", className="wide",
        ),
        dmc.Switch(
            id=LOG_FIELD, label="Access log", description="combined format, rotated",
            checked=bool(first and first.options.access_log), className="wide",
        ),
    ]  # fmt: skip
    said = dmc.Text(why_not, id="server-said", size="sm", c="dimmed" if why_not else "red")
    return html.Div(
        [
            html.Div(fields, className="load-form server-form"),
            html.Div(
                action_bar(*_buttons(first, why_not), said),
                className="actions",
                **attributes(role="status"),
            ),
            dmc.Text(rule, size="sm", c="dimmed", mt=8),
        ]
    )


def _buttons(first: ListenerStatus | None, why_not: str) -> list[dmc.Button]:
    """The actions on a listener; one that was added here is removed, not reset."""
    is_added = first is not None and first.is_added
    shown, hidden = {"display": "block"}, {"display": "none"}
    named: tuple[tuple[str, dict[str, str]], ...] = (
        ("Apply", {}),
        ("Start", {"variant": "default"}),
        ("Stop", {"color": "red"}),
        ("Restart", {"variant": "default"}),
        ("Back to the settings", {"variant": "subtle"} | (hidden if is_added else shown)),
        ("Remove", {"variant": "subtle", "color": "red"} | (shown if is_added else hidden)),
    )
    return [
        dmc.Button(name, id=button, disabled=bool(why_not), **look)
        for button, (name, look) in zip(BUTTONS, named, strict=True)
    ]


def new_listener_form(why_not: str, apps: Sequence[str]) -> html.Div:
    """The form that adds a listener."""
    fields = [
        dmc.TextInput(
            id=NEW_FIELDS[0], label="Name", description="of the new listener", placeholder="mine"
        ),
        dmc.Autocomplete(
            id=NEW_FIELDS[1], label="App to host", value=apps[0] if apps else "",
            description="module:attribute, or a folder's whole path", data=list(apps),
            className="wide",
        ),
        dmc.NumberInput(
            id=NEW_FIELDS[2], label="Its port", description="0 picks a free one", value=0,
            allowDecimal=False, hideControls=True,
        ),
    ]  # fmt: skip
    add = dmc.Button("Add listener", id="server-add", variant="default", disabled=bool(why_not))
    said = dmc.Text("", id="server-new-said", size="sm", c="dimmed")
    return html.Div(
        [
            html.Div(fields, className="load-form server-form"),
            html.Div(action_bar(add, said), className="actions", **attributes(role="status")),
        ]
    )


def field_values(status: ListenerStatus) -> tuple[Any, ...]:
    """The values that the fields show of a listener, in the order of FIELDS."""
    options = status.options
    return (
        status.port,
        status.model,
        options.threads,
        options.workers,
        ", ".join(options.deny),
        ", ".join(options.allow),
        status.app,
    )


def request(*values: object) -> ListenerRequest:
    """The listener that the fields describe, in the order of FIELDS, then LOG_FIELD."""
    return ListenerRequest(*values)


def new_listener(*values: object) -> NewListenerRequest:
    """The listener to add that the fields describe, in the order of NEW_FIELDS."""
    return NewListenerRequest(*values)


def errors(error: ServescopeError, names: Sequence[str]) -> list[str]:
    """The text below the form, then that beside each field of these names; most are empty."""
    by_field = error.by_field if isinstance(error, ListenerRefusedError) else {}
    return ["" if by_field else sentence(error), *(by_field.get(name, "") for name in names)]


def server_cards(listeners: Sequence[ListenerStatus]) -> list[Any]:
    """A card for each listener: where it stands, what it serves and how."""
    if not listeners:
        return [
            html.Div(
                "No listener is hosted yet: they start with the process that leads, within a "
                "second.",
                className="dimmed",
            )
        ]
    return [_card(status) for status in listeners]


def _certificate(certificate: ShownCertificate) -> html.Span:
    """How long it lasts, which one it is, and since when it is shown; times in UTC."""
    ends = dt.datetime.fromtimestamp(certificate.ends_s, dt.UTC)
    read = dt.datetime.fromtimestamp(certificate.read_s, dt.UTC)
    days = int((certificate.ends_s - time.time()) // 86_400)
    left = f"{days} days left" if days >= 0 else "it has expired"
    return html.Span(
        f"until {ends:%Y-%m-%d}, {left}; serial …{certificate.serial[-8:]}; "
        f"read {read:%Y-%m-%d %H:%M:%S} UTC",
        className="path" if days > EXPIRY_WARNING_DAYS else "path warn-text",
        title=f"{certificate.file}, serial {certificate.serial}",
    )


def how(model: str, app_kind: str, options: ListenerOptions) -> str:
    """How many processes and threads answer."""
    pool = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    on_loop = "one event loop" if app_kind == AppKind.ASGI else f"one event loop, {pool}"
    return {
        ConcurrencyModel.PREFORK: f"{options.workers} workers of {pool}",
        ConcurrencyModel.THREAD_POOL: pool,
        ConcurrencyModel.SEQUENTIAL: "one connection at a time",
    }.get(ConcurrencyModel(model), on_loop)


def _origin(status: ListenerStatus) -> str:
    if status.is_temporary:
        return "compared "
    if status.is_added:
        return "added here "
    return "changed here " if status.is_changed else ""


def _card(status: ListenerStatus) -> html.Div:
    from components.listeners import short_app

    options = status.options
    url = status.url
    running = status.state == "running"
    told = how(status.model, status.app_kind, options)
    facts = {
        "Address": html.A(url, href=url, target="_blank", rel="noreferrer")
        if running and not url.startswith(UNIX)
        else url,
        "App": html.Span(f"{short_app(status.app)} ({status.app_kind})", title=status.app),
        "Model": f"{status.model.replace('_', ' ')}: {told}",
        "Denied": ", ".join(options.deny) or "nobody",
        "Allowed": ", ".join(options.allow) or "everybody else",
        "Access log": html.Span(options.access_log or "off", className="path"),
        **({"Certificate": _certificate(status.certificate)} if status.certificate else {}),
        "Process": f"pid {status.pid}" if running else "none",
    }
    return html.Div(
        [
            html.Div(
                [
                    html.B(status.name),
                    html.Span(
                        [
                            html.Span(_origin(status), className="dimmed"),
                            html.Span(status.state.value, className=f"state {status.state.value}"),
                        ]
                    ),
                ],
                className="card-heading",
            ),
            html.Dl(
                [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))],
                className="facts",
            ),
            *([html.Div(status.message, className="warn-text")] if status.message else []),
        ],
        className="server-card",
        **attributes(data_listener=status.name),
    )
