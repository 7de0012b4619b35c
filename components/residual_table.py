"""The client's clock against the server's stages, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dash import html

from components.findings import verdict
from components.tables import figure_table
from servescope.figures import units
from servescope.figures.run_texts import plan_text
from servescope.findings import findings
from servescope.findings.clocks import unexplained, unexplained_s
from servescope.findings.gathering import clocks_of
from servescope.histogram import ERROR_BOUND
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.queries.residual import Clock, Residual

TITLE: Final = "The client's clock against the sum of the stages"
MEANING: Final = (
    "Of the newest load run in this span. The client's figure runs from the moment a request was "
    "really sent, which may be later than it was due, to the last byte of its answer, by the "
    "generator's own clock; the server's is the sum of the six stages, from the request's arrival "
    "in the kernel to the last byte handed back to it; of an app under another server, of those "
    "stages that its recorder measures. The server's figures are of the requests "
    "that it read; the client's are of all that it timed, those turned away unread among them. "
    "Unexplained is what lies between: the way through the network, and the time until the client "
    "is given a core to read its answer. Where the two sides did not time the same requests, or "
    "their means disagree, no difference is told. Means are exact, so their difference is. "
    "Where the server's figure is the longer one, none is left: a client may read its answer just "
    "before the server notes its end. A "
    f"percentile is up to {ERROR_BOUND:.2%} off, but the client's is exact where all of a run that "
    "is over is shown. The difference of two percentiles is a hint, not the percentile of the "
    "differences. Other traffic on the listener during the run counts on the server's side only. "
    "≥: requests that timed out are among these."
)
CLIENT: Final = "Client, from send"
OF_SERVER: Final = "Sum of server stages"
OF_APP: Final = "Sum of measured stages"
EMPTY: Final = "No load run{on} was timed by both clocks in this span."
ADVICE: Final = "A run to a listener, started on the page Load, shows both clocks here."


def residual_table(
    found: Residual | None, listener: str = "", *, can_come: bool = True
) -> html.Div:
    """Both clocks and the time between them; where no run `can_come`, there is no advice.

    `listener`: the one that the page is narrowed to.
    """
    if found is None:
        empty = EMPTY.format(on=f" on {listener}" if listener else "")
        return figure_table((), (), empty=f"{empty} {ADVICE}" if can_come else empty)
    client, server = found.client, found.server
    evidence = clocks_of(found)
    rest_s = unexplained_s(evidence.clocks) if evidence.clocks is not None else None
    rests_s = {
        "mean": rest_s,
        "p50": None if rest_s is None else client.p50_s - server.p50_s,
        "p95": None if rest_s is None else client.p95_s - server.p95_s,
    }
    rows: list[list[Cell | Duration]] = [
        _row(CLIENT, client),
        _row(OF_APP if found.run.kind is ServerKind.APP else OF_SERVER, server),
        [
            html.B("Unexplained"),
            "",
            *(_rest(one_s, is_bound=name in client.bounds) for name, one_s in rests_s.items()),
        ],
    ]
    run = f"Run {found.run.id}: {plan_text(found.run.plan)} ({found.run.state.value})"
    return html.Div(
        [
            html.P(run, className="dimmed"),
            verdict(findings(evidence), "/latency"),
            figure_table(("Clock", "Requests", "Mean", "p50", "p95"), rows, empty="", label=TITLE),
        ]
    )


def _rest(rest_s: float | None, *, is_bound: bool) -> Cell | Duration:
    """The cell for the unexplained part of a figure; words may wrap, figures may not."""
    told = unexplained(rest_s, is_bound=is_bound)
    return html.Span(told, className="in-words") if isinstance(told, str) else told


def _row(name: str, clock: Clock) -> list[Cell | Duration]:
    """A clock's figures."""
    times = units.mean_and_percentiles(clock.mean_s, clock.p50_s, clock.p95_s)
    cells = [
        replace(one, is_bound=True) if figure in clock.bounds else one
        for figure, one in zip(("mean", "p50", "p95"), times, strict=True)
    ]
    return [name, f"{clock.requests:,}", *cells]
