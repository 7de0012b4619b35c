"""The client's clock against the server's stages, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import html

from components.findings import verdict
from components.tables import figure_table
from servescope.figures import units
from servescope.figures.run_texts import plan_text
from servescope.findings import findings
from servescope.findings.clocks import are_the_same_requests, unexplained_s
from servescope.findings.gathering import clocks_of
from servescope.histogram import ERROR_BOUND
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.queries.residual import Clock, Residual
    from servescope.records.load import LoadRun

TITLE: Final = "The client's clock against the sum of the stages"
MEANING: Final = (
    "Of the newest load run in this span. The client's figure runs from the moment a request was "
    "really sent, which may be later than it was due, to the last byte of its answer, by the "
    "generator's own clock; the server's is the sum of the six stages, from the request's arrival "
    "in the kernel to the last byte handed back to it; of an app under another server, of those "
    "stages that its recorder measures. The server's figures are of the requests "
    "that it read; the client's are of all that it timed, those turned away unread among them. "
    "Unexplained is what lies between: the way through the network, and the time until the client "
    "is given a core to read its answer. Where the two sides did not time the same requests there "
    "is no difference to tell. Means are exact, so their difference is; a client that read its "
    "answer just before the server noted its end leaves nothing unexplained. A "
    f"percentile is up to {ERROR_BOUND:.2%} off on either side, and the difference of two "
    "percentiles is a hint, not the percentile of the differences. Other traffic on the listener "
    "during the run counts on the server's side only. ≥: requests that timed out are among these."
)
CLIENT: Final = "Client, from send"
OF_SERVER: Final = "Sum of server stages"
OF_APP: Final = "Sum of measured stages"
EMPTY: Final = "No load run{on} was answered in this span."
ADVICE: Final = "A run on the page Load shows both clocks here."


def residual_table(
    found: Residual | None, listener: str = "", *, is_past: bool = False
) -> html.Div:
    """Both clocks and the time between them; an empty past span gets no advice.

    `listener`: the one that the page is narrowed to.
    """
    if found is None:
        empty = EMPTY.format(on=f" on {listener}" if listener else "")
        return figure_table((), (), empty=empty if is_past else f"{empty} {ADVICE}")
    client, server = found.client, found.server
    evidence = clocks_of(found)
    same = evidence.clocks is not None and are_the_same_requests(evidence.clocks)
    rest_s = unexplained_s(evidence.clocks) if evidence.clocks is not None else None
    rows: list[list[Cell | Duration]] = [
        _row(CLIENT, client, timed_out=_timed_out_share(found.run)),
        _row(OF_APP if found.run.kind is ServerKind.APP else OF_SERVER, server),
        [
            html.B("Unexplained"),
            "",
            units.Duration(rest_s),
            units.Duration(client.p50_s - server.p50_s if same else None),
            units.Duration(client.p95_s - server.p95_s if same else None),
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


def _row(name: str, clock: Clock, timed_out: float = 0.0) -> list[Cell | Duration]:
    """A clock's figures; those with a share of requests that `timed_out` in them are lower bounds.

    These are the slowest: a percentile has them in it from where they begin.
    """
    times = units.mean_and_percentiles(clock.mean_s, clock.p50_s, clock.p95_s)
    are_bounds = (timed_out > 0, timed_out >= 1 - 0.5, timed_out >= 1 - 0.95)
    cells = [
        units.Duration(one.seconds, one.is_bound or is_bound)
        for one, is_bound in zip(times, are_bounds, strict=True)
    ]
    return [name, f"{clock.requests:,}", *cells]


def _timed_out_share(run: LoadRun) -> float:
    """Of the requests that the client timed, those whose answer it did not wait for."""
    told = run.result or run.progress
    timed_out = int((told.get("failed") or {}).get("timed_out") or 0)
    timed = int(told.get("answered") or 0) + timed_out
    return timed_out / timed if timed else 0.0
