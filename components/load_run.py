"""Load runs: the one that suits most machines, starting one, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import access, forms, status
from components.findings import verdict
from components.help import attributes
from components.run_export_menu import run_export_menu
from components.run_links import address_of
from components.run_rules import rules_table
from components.status import sentence
from servescope.actions.load_runs import LoadRunRequest
from servescope.errors import ServescopeError
from servescope.figures import run_texts, units
from servescope.figures.run_texts import plan_text
from servescope.findings import findings, gathering
from servescope.load.report import LATENCY_NAMES
from servescope.records.load import TERMINAL_STATES, outcome_name
from servescope.sentences import capitalized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.records.load import LoadRun

DEFAULT_REQUEST: Final = LoadRunRequest(listener="wsgi", target="/", rate=200, seconds=30)
"""Enough to move every graph, little enough for any machine."""

_TIMED: Final = ("/slow?ms=50", "/cpu?ms=20", "/mixed?cpu_ms=5&wait_ms=20")
"""One that waits, one that computes, one that does both."""

SUGGESTED: Final = {
    "wsgi": [
        "/",
        "/whoami",
        "/search?q=socket",
        "/api/notes",
        *_TIMED,
        "/download?kib=512",
        "/error",
        "/missing",
    ],
    "asgi": ["/", "/whoami", "/items/7", *_TIMED, "/block?ms=20", "/error", "/missing"],
    "files": ["/", "/welcome/", "/data/stages.json", "/images/connection.svg", "/missing"],
}
MEANING: Final = (
    "All of these are figures of the load generator. Latency counts from the moment a request was "
    "due, waiting included; the naive p99 counts from the moment it was really sent. ≥: requests "
    "that timed out are among these, so the figure is a lower bound."
)


def start(request: LoadRunRequest) -> forms.Answer:
    """Start a run; the answer says which one starts, or why none does."""
    try:
        number = access.dashboard().start_load_run(request)
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Load run {number} was asked for; the header follows it.")


def failed_count(figures: Mapping[str, Any]) -> int:
    """All failures of a progress or a result."""
    return sum(int(count) for count in (figures.get("failed") or {}).values())


def server_errors(figures: Mapping[str, Any]) -> int | None:
    """Answers of 5xx of a result; None of a progress, which does not tell them apart."""
    classes = figures.get("status_classes")
    return None if classes is None else int(classes.get("5xx") or 0)


def progress(run: LoadRun) -> html.Div:
    """A run under way: its plan, and how far it is."""
    heading = dcc.Link(f"Run {run.id}: {plan_text(run.plan)}", href=address_of(run.id))
    return html.Div([heading, progress_figures(run)])


def progress_figures(run: LoadRun) -> html.Div:
    """How far a run is: sent, answered, failed, remaining."""
    told = run.progress
    remaining = max(0.0, run.plan.seconds - float(told.get("elapsed_s") or 0.0))
    failed = failed_count(told)
    awaited = status.awaited_text(run)
    left = () if awaited else (("remaining", units.length(round(remaining)), ""),)
    return html.Div(
        [
            dmc.Progress(value=status.share(run), size="lg", mt=8, transitionDuration=300),
            _figures(
                ("sent", _count(told.get("sent")), ""),
                ("answered", _count(told.get("answered")), ""),
                ("failed", _count(failed), "bad" if failed else ""),
                ("in flight", _count(told.get("in_flight")), ""),
                ("answered now", units.text(told.get("answered_per_s"), "{request}/s"), ""),
                ("p99 now", latency_text(run, told.get("p99_ms")), ""),
                *left,
            ),
            *([html.P(f"Its schedule is over. It awaits {awaited}.")] if awaited else []),
            *rules_table(run),
        ]
    )


def result(run: LoadRun) -> html.Div:
    """The result of a run that is over."""
    heading = html.Div(
        [
            html.Div(
                [
                    dcc.Link(f"Run {run.id}: {plan_text(run.plan)}", href=address_of(run.id)),
                    html.Span(run.state.value, className=f"state {run.state.value}"),
                    run_export_menu(run),
                ],
                className="card-heading",
            ),
            *origin(run),
        ]
    )
    told = run.result
    said = verdict(findings(gathering.run_of(run)), "/load")
    if not told:
        return html.Div([heading, said])
    latency_ms = told["latency_ms"]
    durations = {name: latency(run, latency_ms.get(key)) for key, name in LATENCY_NAMES.items()}
    durations["naive p99"] = naive(run)
    (texts,) = units.in_one_unit([list(durations.values())])
    return html.Div(
        [
            heading,
            said,
            counts(run),
            _figures(*((name, text, "") for name, text in zip(durations, texts, strict=True))),
            html.P(MEANING, className="dimmed"),
            *rules_table(run),
            details(run),
        ]
    )


def counts(run: LoadRun) -> html.Div:
    """Of a run with a result: requests sent, answered and failed, and the rate of answers."""
    told = run.result
    failed, errors = failed_count(told), server_errors(told)
    achieved = units.text(told.get("rate_achieved"), "{request}/s")
    return _figures(
        ("sent", _count(told["sent"]), ""),
        ("answered", _count(told["answered"]), ""),
        *((("of these 5xx", _count(errors), "bad"),) if errors else ()),
        ("failed", _count(failed), "bad" if failed else ""),
        ("answered per second", achieved, ""),
    )


def details(run: LoadRun) -> html.Dl:
    """Of a run with a result: its answers, its failures, and the generator's own part."""
    return html.Dl(_details(run.result, run.result["lag_ms"]), className="facts")


def origin(run: LoadRun) -> list[html.P]:
    """Of a run that was opened from a file: who measured it, and when it came."""
    known = run.origin
    if known is None:
        return []
    return [
        html.P(
            [
                f"{capitalized(known.label)}, asked for there ",
                _moment(run.requested_s),
                "; its file was opened here ",
                _moment(known.imported_s),
                ".",
            ],
            className="dimmed",
        )
    ]


def _moment(epoch_s: float) -> html.Span:
    return html.Span(className="moment", **attributes(data_epoch_seconds=str(epoch_s)))


def history_rows(runs: Sequence[LoadRun]) -> list[dict[str, Any]]:
    """Rows of the table of runs, their latencies in one unit."""
    texts = units.in_one_unit([_history_durations(run) for run in runs])
    return [_history_row(run, *of_run) for run, of_run in zip(runs, texts, strict=True)]


def _history_durations(run: LoadRun) -> list[units.Duration]:
    known = (run.result or {}).get("latency_ms") or {}
    return [*(latency(run, known.get(key)) for key in ("p50", "p99", "max")), naive(run)]


def _history_row(run: LoadRun, p50: str, p99: str, longest: str, naive_p99: str) -> dict[str, Any]:
    told = run.result or run.progress
    latency_ms = told.get("latency_ms") or {}
    return {
        "key": str(run.id),
        "id": run.id,
        "address": address_of(run.id),
        "at": run.started_s or run.requested_s,
        "state": run.state.value,
        "plan": plan_text(run.plan) + _where(run),
        "sent": told.get("sent"),
        "failed": failed_count(told) if told else None,
        "errors": server_errors(told),
        "p50": latency_ms.get("p50"),
        "p99": latency_ms.get("p99"),
        "max": latency_ms.get("max"),
        "naive": (told.get("naive_ms") or {}).get("p99"),
        "p50_text": p50,
        "p99_text": p99,
        "naive_text": naive_p99,
        "max_text": longest,
        "message": run.message,
    }


def sent_by(run: LoadRun) -> str:
    """In words, what sent a run that is over, if it was not the generator of Servescope."""
    return str((run.result or {}).get("generator") or "")


def _where(run: LoadRun) -> str:
    """Of a run that this generator here did not send: who sent it, and at which host."""
    known = [f"by {sent_by(run)}"] if sent_by(run) else []
    known += [f"at {run.origin.host}"] if run.origin else []
    return f" ({', '.join(known)})" if known else ""


def is_over(run: LoadRun) -> bool:
    """Whether nothing more will come of it."""
    return run.state in TERMINAL_STATES


def never_began(run: LoadRun) -> bool:
    """Whether it is over without having sent anything."""
    return is_over(run) and run.started_s is None


def _details(told: dict[str, Any], lag: dict[str, Any]) -> list[Any]:
    kinds = {kind: count for kind, count in told["failed"].items() if count}
    others = told.get("generator")
    facts = {
        **({"Sent by": others} if others else {}),
        "Answers by status": _pairs(told["statuses"]) or "none",
        "Failures by kind": _pairs({outcome_name(kind): kinds[kind] for kind in kinds}) or "none",
        "The generator's own lag": f"p99 {ms(lag['p99'])}, most {ms(lag['max'])}",
        f"CPU time of {'the busiest worker' if others else 'the generator'}": units.text(
            told.get("cpu_seconds"), "s"
        ),
        "Received": units.text(told.get("bytes_received"), "By"),
    }
    if told.get("cancelled"):
        facts["Given up when it was stopped"] = _count(told["cancelled"])
    return [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))]


def _figures(*figures: tuple[str, str, str]) -> html.Div:
    return html.Div(
        [
            html.Div([html.Span(name), html.B(value)], className=state)
            for name, value, state in figures
        ],
        className="figures",
    )


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {_count(count)}" for name, count in counts.items())


def _count(value: float | None) -> str:
    return units.NOTHING if value is None else f"{int(value):,}"


def latency(run: LoadRun, milliseconds: float | None) -> units.Duration:
    """A latency of a run; a bound from below where requests timed out among these."""
    timeout_ms = run.plan.scenario.timeout_seconds * 1e3  # the result says which timed out
    limit = run.result.get("timed_out_from_ms") if run.result else timeout_ms
    return duration(milliseconds, limit)


def latency_text(run: LoadRun, milliseconds: float | None) -> str:
    """The same where it stands alone, with its unit."""
    return latency(run, milliseconds).text


def naive(run: LoadRun) -> units.Duration:
    """The naive p99 of a result; it is a lower bound where the p99 is one."""
    return run_texts.latency(run.result or {}, "p99", run_texts.FROM_SEND)


def duration(milliseconds: float | None, limit: float | None) -> units.Duration:
    """A latency, from `limit` on a lower bound: the shortest of the requests that timed out."""
    if milliseconds is None:
        return units.Duration(None)
    if limit is None or milliseconds < limit:
        return units.Duration(milliseconds / 1e3)
    return units.Duration(limit / 1e3, is_bound=True)


def ms(milliseconds: float | None) -> str:
    """A duration with its unit."""
    return units.text(None if milliseconds is None else milliseconds / 1e3, "s")
