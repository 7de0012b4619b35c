"""The frame around every page: header, navigation, time bar, banners, and the one poll's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html

from components import access, forms, time_bar
from components.action_bar import action_bar
from components.help import BUTTON, attributes
from components.icons import icon
from components.live import TICK, VIEW
from components.navigation import pages_below, pages_in_navigation
from components.panels import NOW, now_mark
from components.path_prefix import below_prefix
from components.status import HIDDEN, sentence
from servescope.errors import ServescopeError
from servescope.queries import capacity, comparison, load, verdicts

POLL_MS: Final = 1000
HEADER_PX: Final = 56
NAVBAR_PX: Final = 200

THEME: Final[dict[str, Any]] = {
    "primaryColor": "blue",
    "primaryShade": {"light": 9, "dark": 8},
    "defaultRadius": "md",
    "fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, Ubuntu, Cantarell, sans-serif",
    "cursorType": "pointer",
    # A list to choose from lies at first at the top of the page, and the browser scrolls there to
    # show the chosen option: from the end of a page that is far away. A closed one is not made at
    # all: the lists were a tenth of the elements of Load, and of the work to open it.
    "components": {
        "Combobox": {"defaultProps": {"floatingStrategy": "fixed", "keepMounted": False}},
        # A bar that glides is laid out anew frame by frame: two of them cost a browser a tenth of a
        # core during a run, on the machine that is measured.
        "Progress": {"defaultProps": {"transitionDuration": 0}},
    },
}


@dataclass(frozen=True, slots=True)
class Content:
    """A page, and the title of its document."""

    layout: Any
    title: str


def shell(content: Content | None = None) -> dmc.MantineProvider:
    """The layout of the app; Dash asks for it at each full page load that did not bring it.

    Without `content` Dash's router fills in the page that the browser's address names.
    """
    return dmc.MantineProvider(
        theme=THEME,
        defaultColorScheme="auto",
        children=[
            dcc.Interval(id=TICK, interval=POLL_MS),
            dcc.Store(id=VIEW),
            dmc.AppShell(
                id="app-shell",
                header={"height": HEADER_PX},
                navbar={
                    "width": NAVBAR_PX,
                    "breakpoint": "sm",
                    "collapsed": {"mobile": True},
                },
                padding="md",
                children=[
                    dmc.AppShellHeader(_header()),
                    dmc.AppShellNavbar(_navigation(), p="xs"),
                    dmc.AppShellMain(_main(content)),
                ],
            ),
        ],
    )


def connect() -> None:
    """Register the shell's callbacks: once for each app."""
    time_bar.connect()
    clientside_callback(
        ClientsideFunction("view", "navigation"),
        Output("app-shell", "navbar"),
        Output("burger", "opened"),
        Input("burger", "opened"),
        Input("_pages_location", "pathname"),
        State("app-shell", "navbar"),
        prevent_initial_call=True,
    )
    forms.forget_when_over("run-strip")
    callback(
        *forms.outputs("run-message"),
        Input("run-stop", "n_clicks"),
        prevent_initial_call=True,
    )(_stop)


def _stop(_clicks: int) -> forms.Answer:
    """Stop the load under way; the strip says so itself, but not why it could not be stopped."""
    answer = stop_active_run()
    return answer if answer[1] == forms.REFUSED else forms.done("")


def stop_active_run() -> forms.Answer:
    """Stop the load under way; the answer is what is stopped, or what stood in the way."""
    board = access.dashboard()
    compared = comparison.active_comparison(board.context)
    searched = capacity.active_search(board.context)
    judged = verdicts.active_verdict(board.context)
    run = load.active_run(board.context)
    try:
        if compared is not None:
            board.stop_comparison(compared.id)
            return forms.of_load(f"Comparison {compared.id} is being stopped.")
        if searched is not None:
            board.stop_capacity_search(searched.id)
            return forms.of_load(f"Search {searched.id} is being stopped.")
        if judged is not None:
            board.stop_verdict(judged.id)
            return forms.of_load(f"Verdict {judged.id} is being stopped.")
        if run is not None:
            board.stop_load_run(run.id)
            return forms.of_load(f"Load run {run.id} is being stopped.")
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.done("No load was under way.")


def _header() -> html.Div:
    return html.Div(
        className="header",
        children=[
            html.A("Skip to the page", href="#page", className="skip-link"),
            dmc.Burger(
                id="burger",
                opened=False,
                hiddenFrom="sm",
                size="sm",
                **attributes(aria_label="Navigation", aria_expanded="false"),
            ),
            dcc.Link(
                [html.Span(className="logo"), "Servescope"],
                href=below_prefix("/"),
                className="brand",
            ),
            html.Div(
                id="run-strip",
                style=HIDDEN,
                className="run-strip",
                role="status",
                **NOW,
                children=[
                    html.Div(
                        [
                            dmc.Text(id="run-text", size="sm", className="run-text"),
                            now_mark(),
                            html.Span(className="as-of"),
                            dmc.Progress(id="run-bar", value=0, size="sm"),
                        ],
                        className="run-progress",
                    ),
                    action_bar(
                        dmc.Button("Stop", id="run-stop", color="red", size="sm", variant="filled"),
                        html.Span(id="run-message", className=forms.DONE),
                    ),
                ],
            ),
            html.Div(className="spacer"),
            _standing(),
            *_sign_in_link(),
            dmc.ColorSchemeToggle(
                lightIcon=icon("scheme"),
                darkIcon=icon("scheme"),
                variant="default",
                size="lg",
                **attributes(aria_label="Dark or light"),
            ),
        ],
    )


def _standing() -> dmc.Popover:
    """How current the page is, and behind it the processes, for whoever operates them."""
    return dmc.Popover(
        [
            dmc.PopoverTarget(
                [
                    html.Span(className="dot", **attributes(aria_hidden="true")),
                    html.Span("connecting", id="standing"),
                ],
                boxWrapperProps=BUTTON | {"className": "standing"},
            ),
            dmc.PopoverDropdown(
                [
                    html.Dl(id="processes", className="facts"),
                    dmc.Text(id="promise-again", size="xs", c="dimmed", mt="xs"),
                ],
                className="standing-facts",
            ),
        ],
        id="standing-popover",
        position="bottom-end",
        shadow="md",
        withinPortal=False,
        keepMounted=True,  # each poll sets what is in it
    )


def _sign_in_link() -> list[dcc.Link]:
    """Where a password is set: the way to the right to change something, or back."""
    board = access.dashboard()
    if not board.has_password:
        return []
    return [dcc.Link("Sign out" if board.may_act() else "Sign in", href=below_prefix("/sign-in"))]


def _navigation() -> list[dmc.NavLink]:
    return [link for page in pages_in_navigation() for link in _links_to(page)]


def _links_to(page: dict[str, Any]) -> list[dmc.NavLink]:
    """The link to a page, and to those below it."""
    return [
        dmc.NavLink(
            label=page["name"],
            href=page["relative_path"],
            leftSection=icon(page["icon"]),
            active="partial",  # also for the pages below its address: a chapter, a request
            py="sm",
        ),
        *(
            dmc.NavLink(
                label=below["name"],
                href=below["relative_path"],
                active="partial",
                py="xs",
                className="page-below",
            )
            for below in pages_below(page)
        ),
    ]


def _main(content: Content | None) -> html.Div:
    return html.Div(
        id="page",
        children=[
            time_bar.time_bar(),
            dmc.Alert(
                "The dashboard's server does not answer. This page keeps asking and goes on by "
                "itself as soon as it is back.",
                id="gone",
                color="yellow",
                className="banner gone-banner",
                title="No connection",
            ),
            dmc.Alert(
                "No newer second of data has come: the process that collects is held up, or has "
                "ended. Where several processes share the data folder, another one then takes over "
                "within seconds.",
                color="yellow",
                className="banner late-banner",
                title="Data is late",
            ),
            html.Div(
                [now_mark(), html.Div(id="notices", className="notices")],
                className="notices-of-now",
                **NOW,
            ),
            html.Div(className="as-of"),
            _page_container(content),
        ],
    )


def _page_container(content: Content | None) -> html.Div:
    """The parts of `dash.page_container`, by the names that Dash's router has for them."""
    layout = content.layout if content else None
    title = {"title": content.title} if content else None
    return html.Div(
        [
            dcc.Location(id="_pages_location", refresh="callback-nav"),
            html.Div(layout, id="_pages_content", disable_n_clicks=True),
            dcc.Store(id="_pages_store", data=title),
            html.Div(id="_pages_dummy", disable_n_clicks=True),
        ]
    )
