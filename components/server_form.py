"""The form that changes a listener: its fields, their values, and what they ask for."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import html

from components.attributes import attributes
from servescope.records import (
    UNIX,
    AppKind,
    ConcurrencyModel,
    ListenerStatus,
    ListenerWish,
    ShownCertificate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOSEN: Final = "server-chosen"
FIELDS: Final = (
    "server-port",
    "server-model",
    "server-threads",
    "server-workers",
    "server-deny",
    "server-allow",
)
"""Ids of the fields with a `value`, in the order in which `read` takes their values."""

LOG_FIELD: Final = "server-log"
"""Id of the switch, which has `checked`."""

FAULTS: Final = ("port", "model", "threads", "workers", "deny", "allow")
"""What `read` may find fault with, in the order of FIELDS."""

BUTTONS: Final = ("server-apply", "server-start", "server-stop", "server-restart", "server-reset")
EXPIRY_WARNING_DAYS: Final = 14
"""A certificate that ends within so many days stands out on its card."""

_MODELS: Final = [{"value": model, "label": model.replace("_", " ")} for model in ConcurrencyModel]


def server_form(listeners: Sequence[ListenerStatus], why_not: str) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be changed."""
    first = listeners[0] if listeners else None
    values = field_values(first) if first else (None,) * len(FIELDS)
    port, model, threads, workers, deny, allow = values
    fields = [
        dmc.Select(
            id=CHOSEN,
            label="Listener",
            description="to change",
            data=[one.name for one in listeners],
            value=first.name if first else None,
            allowDeselect=False,
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
    names = ("Apply", "Start", "Stop", "Restart", "Back to the settings")
    looks: tuple[dict[str, str], ...] = (
        {},
        {"variant": "default"},
        {"color": "red"},
        {"variant": "default"},
        {"variant": "subtle"},
    )
    buttons = [
        dmc.Button(name, id=button, disabled=bool(why_not), **look)
        for name, button, look in zip(names, BUTTONS, looks, strict=True)
    ]
    said = dmc.Text(why_not, id="server-said", size="sm", c="dimmed" if why_not else "red")
    return html.Div(
        [
            html.Div(fields, className="load-form server-form"),
            html.Div([*buttons, said], className="actions", **attributes(role="status")),
        ]
    )


def field_values(status: ListenerStatus) -> tuple[Any, ...]:
    """What the fields show of a listener."""
    options = status.options
    return (
        status.port,
        status.model,
        options.threads,
        options.workers,
        ", ".join(options.deny),
        ", ".join(options.allow),
    )


def read(
    status: ListenerStatus, values: Sequence[object], log: object
) -> tuple[ListenerWish, dict[str, str]]:
    """What the fields ask for beside what is, and what of them says nothing, by field.

    A field that shows what is asks for nothing.
    """
    found: dict[str, str] = {}
    asked: dict[str, Any] = {}
    shown = field_values(status)
    for name, value, before in zip(FAULTS, values, shown, strict=True):
        if value == before:
            continue
        if name in {"port", "threads", "workers"}:
            try:
                asked[name] = int(str(value))
            except ValueError:
                found[name] = "Fill in a whole number."
        elif name == "model":
            try:
                asked[name] = ConcurrencyModel(str(value))
            except ValueError:
                found[name] = "Choose a model."
        else:
            parts = str(value or "").replace("\n", ",").split(",")
            asked[name] = tuple(part.strip() for part in parts if part.strip())
    if bool(log) != bool(status.options.access_log):
        asked["access_log"] = bool(log)
    return replace(ListenerWish(), **asked), found


def merged(before: ListenerWish, asked: ListenerWish) -> ListenerWish:
    """A former wish with what is asked for now in its place."""
    names = (*FAULTS, "access_log")
    news = {name: value for name in names if (value := getattr(asked, name)) is not None}
    return replace(before, **news)


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


def _card(status: ListenerStatus) -> html.Div:
    from components.listeners import short_app

    options = status.options
    url = status.url
    running = status.state == "running"
    how = {
        ConcurrencyModel.PREFORK: f"{options.workers} workers of {options.threads} threads",
        ConcurrencyModel.THREAD_POOL: f"{options.threads} threads",
        ConcurrencyModel.SEQUENTIAL: "one connection at a time",
    }.get(
        ConcurrencyModel(status.model),
        "one event loop"
        if status.app_kind == AppKind.ASGI
        else f"one event loop, {options.threads} threads",
    )
    facts = {
        "Address": html.A(url, href=url, target="_blank", rel="noreferrer")
        if running and not url.startswith(UNIX)
        else url,
        "App": html.Span(f"{short_app(status.app)} ({status.app_kind})", title=status.app),
        "Model": f"{status.model.replace('_', ' ')}: {how}",
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
                            *(
                                [html.Span("changed here ", className="dimmed")]
                                if status.is_changed
                                else []
                            ),
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
