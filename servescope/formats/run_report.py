"""The report of a load run: one HTML file that needs no network and no script, and prints well.

Everything that is shown comes from the `RunData` given: the same data give the same bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units
from servescope.figures.run_texts import (
    LATENESS,
    SUCCEEDED,
    environment_texts,
    has_errors,
    latency,
    lateness_text,
    plan_facts,
    timed_text,
)
from servescope.figures.shares import share_texts
from servescope.formats.run_report_style import STYLE
from servescope.formats.svg_plots import distribution_plot, line_plot
from servescope.histogram import EDGES, ERROR_BOUND, GROWTH, LONGEST_S, least_count
from servescope.load.report import (
    FROM_DUE,
    FROM_SEND,
    LATENCY_NAMES,
    OF_ERRORS,
    OF_SUCCESS,
    QUANTILES,
)
from servescope.queries.client_phases import PHASES, phase_rows, several_steps
from servescope.queries.lines import taken
from servescope.records.load import outcome_name
from servescope.run_files.document import run_span
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from servescope.queries.rows import Lines, StageRow
    from servescope.queries.run_data import RunData, RunSeries
    from servescope.records.load import LoadRun

MOST_CORES: Final = 8
"""Lines of a plot of cores; of more the busiest are drawn."""

_SEVERITIES: Final = {
    "bad": "Bad:",
    "warn": "Warning:",
    "unknown": "Unknown:",
    "note": "Note:",
    "good": "Good:",
}
_MEANING: Final = (
    "Written by Servescope. Due are all requests that the schedule asked for, those that got no "
    "connection included. Latency counts from the moment a request was due, waiting included; "
    "the naive latency counts from the moment it was really sent. ≥: requests that timed out are "
    "among these, so the figure is a lower bound. Percentiles of the client over the whole run are "
    f"exact; those of the server and over time are at most {units.text(ERROR_BOUND, '1')} off."
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_MS: Final = 1e-3
_CARDS: Final = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "slowest"}
"""Latencies of a result that stand out, and how they are called."""


def report_html(data: RunData) -> str:
    """The report as one HTML document."""
    run = data.run
    number = f" {run.id}" if run.id else ""  # see RunOrigin.run_id
    title = f"Load run{number} on {data.host}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_heading(data)}</p>",
        _findings(data),
        *_result(data),
        *_over_time(data),
        "<h2>Plan</h2>",
        _facts(plan_facts(run.plan, run.kind)),
        *_environment(data),
        f"<footer class='dimmed'>{escape(_MEANING)}</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(body)}</main></body></html>\n"
    )


def _heading(data: RunData) -> str:
    run = data.run
    began = "It never began." if run.started_s is None else f"Began {_moment(run.started_s)}."
    lasted = ""
    if run.started_s is not None and run.ended_s is not None:
        lasted = f" Ended after {units.length(run.ended_s - run.started_s)}."
    told = f"State: {run.state.value}. {began}{lasted}"
    if run.message:
        told += f" {_sentence(run.message)}"
    return escape(told)


def _sentence(text: str) -> str:
    return capitalized(text) if text.endswith(".") else f"{capitalized(text)}."


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _findings(data: RunData) -> str:
    items = [
        f'<li class="{escape(one.severity)}"><b>{_SEVERITIES.get(one.severity, "")}</b>'
        f"{escape(one.sentence)}</li>"
        for one in data.findings
    ]
    return f'<ul class="findings">{"".join(items)}</ul>'


def _result(data: RunData) -> list[str]:
    run, result = data.run, data.run.result
    if not result:
        return ["<h2>Result</h2><p>The run has no result.</p>"]
    failed = sum(result["failed"].values())
    errors = (result.get("status_classes") or {}).get("5xx")
    cards = {
        "due": _count(result["sent"]),
        "answered": _count(result["answered"]),
        **({"of these 5xx": _count(errors)} if errors else {}),
        "failed": _count(failed),
        "answered per second": units.text(result.get("rate_achieved"), "{request}/s"),
        "asked for": units.text(result.get("rate_asked"), "{request}/s"),
        **{name: latency(result, key).text for key, name in _CARDS.items()},
    }
    sent_by = result.get("generator")
    details = {
        **({"Sent by": sent_by} if sent_by else {}),
        "Answers by status": _pairs(result["statuses"]),
        "Failures by kind": _pairs(
            {outcome_name(kind): count for kind, count in result["failed"].items() if count}
        ),
        LATENESS: lateness_text(result["lag_ms"]),
        f"CPU time of {'the busiest worker' if sent_by else 'the generator'}": units.text(
            result.get("cpu_seconds"), "s"
        ),
        "Received": units.text(result.get("bytes_received"), "By"),
    }
    if result.get("never_sent"):
        details["Never sent, for want of a connection"] = _count(result["never_sent"])
    if result.get("cancelled"):
        details["Given up when it was stopped"] = _count(result["cancelled"])
    return [
        "<h2>Result</h2>",
        _cards_html(cards),
        "<h2>Percentiles: client and server</h2>",
        _percentiles(data),
        "<h2>Distribution</h2>",
        _distribution(data),
        *_by_step(run),
        *_phases(run),
        "<h2>Answers, failures, generator</h2>",
        _facts(details),
    ]


def _by_step(run: LoadRun) -> list[str]:
    """The requests of a mix, each for itself; nothing of a run that sent one kind."""
    steps = several_steps(run.result)
    if not steps:
        return []
    rows: list[Sequence[str | units.Duration]] = [
        (
            step["name"],
            _count(step["sent"]),
            _count(step["answered"]),
            _count(sum(step["failed"].values())),
            *(latency(step, figure) for figure in ("p50", "p90", "p99", "max")),
        )
        for step in steps
    ]
    headings = ("request", "due", "answered", "failed", "p50", "p90", "p99", "max")
    return ["<h2>By request of the mix</h2>", _table(headings, rows)]


def _phases(run: LoadRun) -> list[str]:
    """How long each phase took at the client; of a phase that took no time there is no row."""
    found = phase_rows(run.result)
    rows: list[Sequence[str | units.Duration]] = [
        (
            ": ".join(filter(None, (row.name.replace("_", " "), PHASES.get(row.name)))),
            _count(row.requests),
            share,
            *units.mean_and_percentiles(row.mean_s, row.p50_s, row.p95_s, row.p99_s),
        )
        for row, share in zip(found, share_texts([row.share for row in found]), strict=True)
    ]
    if not rows:
        return []
    headings = ("phase", "requests", "share", "mean", "p50", "p95", "p99")
    told = "Of the requests that were answered; together the phases are the latency from due."
    return [
        "<h2>Phases of a request at the client</h2>",
        _table(headings, rows),
        f"<p class='dimmed'>{escape(told)}</p>",
    ]


def _cards_html(cards: dict[str, str]) -> str:
    inner = "".join(
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>"
        for name, value in cards.items()
    )
    return f'<div class="figures">{inner}</div>'


def _percentiles(data: RunData) -> str:
    run, result = data.run, data.run.result
    fields = [*LATENCY_NAMES, "mean"]
    clients = {
        f"Client, from when a request was due: {timed_text(result)}": FROM_DUE,
        "Client, from the actual send (naive)": FROM_SEND,
    }
    if has_errors(result):
        clients |= {
            f"Of these, answers with a {SUCCEEDED}": OF_SUCCESS,
            "Of these, 4xx, 5xx and timed out": OF_ERRORS,
        }
    rows: list[Sequence[str | units.Duration]] = [
        (name, *(latency(result, field, clock) for field in fields))
        for name, clock in clients.items()
    ]
    if data.series is not None:
        marks = data.series.server.marks
        server = [
            units.Duration.of_percentile(marks.get(LATENCY_NAMES[field])) for field in QUANTILES
        ]
        read, unread = data.series.server_requests, data.series.server_unread
        name = f"Server, {counted(read, 'request')} to {run.plan.listener}"
        name += f", without {unread:,} unread" if unread else ""
        if run.plan.listener:
            rows.append((name, *server, units.NOTHING, units.Duration(data.series.server_mean_s)))
    return _table(("", *LATENCY_NAMES.values(), "mean"), rows)


def _distribution(data: RunData) -> str:
    """Shares of requests by duration, of the client and of the server."""
    counted = {"client, from when a request was due": np.array(data.run.result["histogram"])}
    if data.series is not None and data.series.server.counts.size:
        server = data.series.server
        counts = np.zeros(EDGES.size + 1, np.int64)
        # Its first bucket ends at the edge that is its second one.
        first = int(np.searchsorted(EDGES, server.edges[1]))
        counts[first : first + server.counts.size] = server.counts
        counted["server"] = counts
    counted = {name: counts for name, counts in counted.items() if counts.sum()}
    if not counted:
        return "<p class='dimmed'>No request was answered.</p>"
    edges, shares = _shares(counted)
    plot = distribution_plot(
        edges, shares, what="Share of requests by duration, for client and server"
    )
    told = "Share of requests in each bucket."
    if edges[-1] > LONGEST_S:
        told += f" The last one has all that took longer than {units.text(LONGEST_S, 's')}."
    return f"<div class='wide'>{plot}<p class='dimmed'>{told}</p></div>"


def _shares(
    counted: dict[str, NDArray[np.int64]],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Edges in seconds of the buckets in use, and the share of each in all requests."""
    used = np.flatnonzero(np.sum(list(counted.values()), axis=0))
    low, high = int(used[0]), int(used[-1])
    # The outermost buckets have no far edge: they are drawn as wide as any other.
    edges = np.concatenate((EDGES[:1] / GROWTH, EDGES, EDGES[-1:] * GROWTH))
    shares = {name: counts[low : high + 1] / counts.sum() for name, counts in counted.items()}
    return edges[low : high + 2], shares


def _over_time(data: RunData) -> list[str]:
    if data.series is None:
        return ["<h2>Over time</h2>", f"<p>{escape(_sentence(data.without_series))}</p>"]
    series, begin_s = data.series, float(run_span(data.run)[0])
    least = least_count(0.99)
    cores, of_cores = _busiest(series.cores)
    plots = [
        (
            "Requests per second",
            "Finished and failed at the generator; answered by the run's server, to all clients.",
            line_plot(series.rates, begin_s, what="Requests per second over time"),
        ),
        (
            "Latency of the client",
            "From the moment a request was due. A gap where too few requests ended.",
            line_plot(series.percentiles, begin_s, log=True, what="Percentiles over time"),
        ),
        (
            "p99 three ways",
            f"A gap where a step has fewer than {least} requests.",
            line_plot(
                series.latencies,
                begin_s,
                log=True,
                styles=theme.by_clock,
                what="p99 over time from the intended send, the actual send, and in the server",
            ),
        ),
        (
            f"Stages of a request to {data.run.plan.destination}",
            "Mean of each second.",
            line_plot(series.stages, begin_s, what="Mean of each stage over time"),
        ),
        (
            "CPU by core",
            of_cores,
            line_plot(
                cores, begin_s, most=1.0, styles=theme.in_order, what="CPU by core over time"
            ),
        ),
        (
            "Accept queue, connections waiting",
            "The deepest of each second, by port.",
            line_plot(
                series.accept_queues,
                begin_s,
                styles=theme.in_order,
                what="Connections that wait to be accepted, by port, over time",
            ),
        ),
    ]
    sections = "".join(
        f"<section><h3>{escape(title)}</h3>{plot}<p class='dimmed'>{escape(told)}</p></section>"
        for title, told, plot in plots
    )
    return [
        "<h2>Over time</h2>",
        f'<div class="plots">{sections}</div>',
        "<h2>Stages of a request in the server</h2>",
        _stages(series),
    ]


def _busiest(cores: Lines) -> tuple[Lines, str]:
    """At most MOST_CORES of the cores, and a sentence that says which."""
    told = "Share of each core that is not idle."
    if len(cores.names) <= MOST_CORES:
        return cores, told
    means = np.nan_to_num(cores.values).mean(axis=1)
    order = sorted(np.argsort(-means, kind="stable")[:MOST_CORES].tolist())
    return taken(cores, order), f"{told} The {MOST_CORES} busiest of {len(cores.names)}."


def _stages(series: RunSeries) -> str:
    def cells(one: StageRow) -> tuple[str | units.Duration, ...]:
        times = units.mean_and_percentiles(one.mean_s, one.p50_s, one.p95_s, one.p99_s)
        return (one.stage, *times, shares.get(one.stage, "not measured"))

    measured = [one for one in series.stage_rows if one.is_measured]
    texts = share_texts([one.share for one in measured])
    shares = dict(zip((one.stage for one in measured), texts, strict=True))
    if not series.stage_rows:
        return "<p class='dimmed'>The server recorded no request in this span.</p>"
    return _table(
        ("stage", "mean", "p50", "p95", "p99", "share of the time"),
        [cells(one) for one in series.stage_rows],
    )


def _environment(data: RunData) -> list[str]:
    environment = data.run.environment
    if environment is None:
        return []
    texts = environment_texts(environment)
    if environment.app:
        texts["The listener had run since"] = _moment(environment.listening_since_s)
    return ["<h2>Environment</h2>", _facts(texts)]


def _facts(facts: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table class="words"><tbody>{rows}</tbody></table>'


def _table(headings: Sequence[str], rows: Iterable[Sequence[str | units.Duration]]) -> str:
    """A table; durations among its cells are written as everywhere."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>"
        for row in units.with_texts(rows)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def _count(value: Any) -> str:
    return f"{int(value):,}"


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {_count(count)}" for name, count in counts.items()) or "none"
