"""The forms that change and add a listener: their fields, and the values that these show."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import forms
from components.action_bar import action_bar
from components.help import attributes
from components.listeners import link, short_app
from components.reach import reach
from components.status import sentence
from servescope.actions.listeners import ListenerRequest, NewListenerRequest
from servescope.errors import ListenerRefusedError
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
    ListenerStatus,
    ShownCertificate,
)
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.client import Visitor
    from components.reach import Reach
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

APPLY: Final = "server-apply"
REVERT: Final = "server-revert"
USE_PORT: Final = "server-use-port"
FREE_PORT: Final = "server-free-port"
"""Store of the port that USE_PORT asks for in place of one that is taken: `{"port": 8002}`."""

ANSWER: Final = "server-answer"
UNSAVED: Final = "server-unsaved"
VALUES: Final = "server-values"
"""Hidden text, renewed by each poll: see `shown_values`. A poll reaches no store, which is not in
the document."""

SETTLED: Final = "server-settled"
"""Store of what the fields show of one listener after an Apply: what was typed for it goes."""

ASKED: Final = "server-asked"
"""Store of the button of a card that was pressed: `{"action": …, "listener": …}`."""

CARDS_ANSWER: Final = "server-cards-answer"
NEW_ANSWER: Final = "server-new-answer"

NEW_FIELDS: Final = ("server-new-name", "server-new-app", "server-new-port")
"""Of the form that adds a listener, in the order of NewListenerRequest."""

NEW_NAMES: Final = ("name", "app", "port")
"""The names of NEW_FIELDS in NewListenerRequest, and in an error."""

_LABELS: Final = {name: name.capitalize() for name in (*NAMES, *NEW_NAMES)}
"""Names of fields as the forms label them."""

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
    buttons = (
        dmc.Button("Apply", id=APPLY, disabled=bool(why_not)),
        dmc.Button("Revert", id=REVERT, variant="default", disabled=True),
        dmc.Button("Use it", id=USE_PORT, variant="light", display="none"),
    )
    return html.Div(
        [
            html.Div(shown_values(listeners), id=VALUES, hidden=True),
            dcc.Store(id=SETTLED),
            dcc.Store(id=ASKED),
            dcc.Store(id=FREE_PORT),
            html.Div(forms.form(fields, ANSWER, APPLY, REVERT), className="server-form"),
            html.Div(id=UNSAVED, className="unsaved", **attributes(role="status")),
            forms.actions(*buttons, answer_id=ANSWER, why_not=why_not),
            dmc.Text(rule, size="sm", c="dimmed", mt=8),
        ],
        id="server-form",
    )


def shown_values(listeners: Sequence[ListenerStatus]) -> str:
    """JSON of what the fields show of each listener, by its name; see `settled`."""
    return json.dumps({one.name: settled(one) for one in listeners if not one.is_temporary})


def settled(status: ListenerStatus) -> dict[str, Any]:
    """The values that the fields show of one listener, by their ids, and of which revision."""
    values = dict(zip(FIELDS, field_values(status), strict=True))
    return {
        "listener": status.name,
        "revision": status.revision,
        "values": values | {LOG_FIELD: bool(status.options.access_log)},
    }


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
    return html.Div(
        [
            html.Div(forms.form(fields, NEW_ANSWER, "server-add"), className="server-form"),
            forms.actions(add, answer_id=NEW_ANSWER, why_not=why_not),
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


def errors(
    error: ServescopeError, names: Sequence[str], what: str = "Nothing was applied"
) -> list[str]:
    """The sentence of the form, then that beside each field of these names; most are empty.

    `what` was not done begins the form's where fields are wrong.
    """
    by_field = error.by_field if isinstance(error, ListenerRefusedError) else {}
    if not by_field:
        return [sentence(error), *("" for _ in names)]
    wrong = " and ".join(_LABELS[name] for name in names if name in by_field)
    said = f"{what}: {wrong} cannot be as typed."
    return [said, *(by_field.get(name, "") for name in names)]


def server_cards(listeners: Sequence[ListenerStatus], visitor: Visitor) -> list[Any]:
    """A card for each listener: where it stands, what it serves and how, and what can be done.

    The buttons are the same on each; one that has nothing to do is disabled. A press comes through
    ASKED (`assets/server_form.js`), and the style sheet hides them from those who may not act.
    """
    if not listeners:
        return [
            html.Div(
                "No listener is hosted yet: they start with the process that leads, within a "
                "second.",
                className="dimmed",
            )
        ]
    return [_card(status, reach(status, visitor)) for status in listeners]


def _certificate(certificate: ShownCertificate) -> html.Span:
    """How long it lasts, which one it is, and since when it is shown; times in UTC."""
    ends = dt.datetime.fromtimestamp(certificate.ends_s, dt.UTC)
    read = dt.datetime.fromtimestamp(certificate.read_s, dt.UTC)
    days = int((certificate.ends_s - time.time()) // 86_400)
    left = f"{counted(days, 'day')} left" if days >= 0 else "it has expired"
    return html.Span(
        f"until {ends:%Y-%m-%d}, {left}; serial …{certificate.serial[-8:]}; "
        f"read {read:%Y-%m-%d %H:%M:%S} UTC",
        className="path" if days > EXPIRY_WARNING_DAYS else "path warn-text",
        title=f"{certificate.file}, serial {certificate.serial}",
    )


def how(model: str, app_kind: str, options: ListenerOptions) -> str:
    """How many processes and threads answer."""
    pool = counted(options.threads, "thread")
    on_loop = "one event loop" if app_kind == AppKind.ASGI else f"one event loop, {pool}"
    return {
        ConcurrencyModel.PREFORK: f"{counted(options.workers, 'worker')} of {pool}",
        ConcurrencyModel.THREAD_POOL: pool,
        ConcurrencyModel.SEQUENTIAL: "one connection at a time",
    }.get(ConcurrencyModel(model), on_loop)


def _origin(status: ListenerStatus) -> str:
    if status.name == EXPERIMENT:
        return "of an experiment "
    if status.is_temporary:
        return "compared "
    if status.is_added:
        return "added here "
    return "changed here " if status.is_changed else ""


def _actions(status: ListenerStatus) -> html.Div:
    """Change, Start or Stop, Restart, and the way back: from its settings, or out of here."""
    has_ended = status.state in {ListenerState.STOPPED, ListenerState.FAILED}
    back = ("remove", "Remove") if status.is_added else ("reset", "Back to the settings")
    named = (
        ("choose", "Change", True),
        ("start", "Start", True)
        if status.state is ListenerState.STOPPED
        else ("stop", "Stop", True),
        ("restart", "Restart", not has_ended),
        (*back, status.is_added or status.is_changed),
    )
    buttons = [
        html.Button(
            label,
            type="button",
            className="card-action",
            disabled=not is_possible,
            **attributes(
                data_action=action,
                data_listener=status.name,
                aria_label=f"{label}: {status.name}",
            ),
        )
        for action, label, is_possible in named
    ]
    return html.Div(action_bar(*buttons), className="card-actions")


def _card(status: ListenerStatus, found: Reach) -> html.Div:
    options = status.options
    running = status.state is ListenerState.RUNNING
    told = how(status.model, status.app_kind, options)
    facts = {
        "Address": link(found),
        "Reached from": found.origin,
        "App": html.Span(f"{short_app(status.app)} ({status.app_kind})", title=status.app),
        "Model": f"{status.model.replace('_', ' ')}: {told}",
        "Denied": ", ".join(options.deny) or "nobody",
        "Allowed": ", ".join(options.allow) or ("everybody else" if options.deny else "everybody"),
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
            *([] if status.is_temporary else [_actions(status)]),
        ],
        className="server-card",
        **attributes(data_listener=status.name),
    )
