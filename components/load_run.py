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
from servescope.figures import run_progress, run_texts, units
from servescope.figures.run_progress import answers, server_errors
from servescope.figures.run_texts import SUCCEEDED, plan_text
from servescope.findings import findings, gathering
from servescope.findings.load_run import is_generator_late, is_limited_by_generator
from servescope.histogram import least_count
from servescope.load.report import FROM_SEND, LATENCY_NAMES, OF_SUCCESS
from servescope.records.load import TERMINAL_STATES, RunState, outcome_name
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
    "Figures of the load generator. Due: all requests that the schedule asked for, those that got "
    "no connection included. Latency counts from the moment a request was due, waiting included; "
    "the naive p99 counts from the moment it was really sent. Both are of all answers, errors "
    "included, and of requests that timed out; status < 400: of answers with such a status alone. "
    "≥: so many requests that timed out are among them that the figure is a lower bound."
)
PROGRESS_MEANING: Final = (
    "Figures of the load generator, as of the last second. Due: all requests that the schedule has "
    "asked for, with a connection or without one yet. Answered: with any status. p99: from the "
    "moment each request was due, of those that ended or came due in the seconds named beside it; "
    f"a p99 needs {least_count(0.99)} requests. ≥: the p99 is at least so long. Requests that "
    "timed out, or are still awaited, have waited for that time already."
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


def progress(run: LoadRun) -> html.Div:
    """A run under way: its plan, what is concluded of it, and how far it is."""
    heading = dcc.Link(f"Run {run.id}: {plan_text(run.plan)}", href=address_of(run.id))
    said = verdict(findings(gathering.run_of(run)), "/load")
    return html.Div([heading, said, progress_figures(run)])


def progress_figures(run: LoadRun) -> html.Div:
    """How far a run is, and what its requests have come to."""
    told = run.progress
    remaining = max(0.0, run.plan.seconds - float(told.get("elapsed_s") or 0.0))
    awaited = status.awaited_text(run)
    left = () if awaited else (("remaining", units.length(round(remaining)), ""),)
    return html.Div(
        [
            dmc.Progress(value=status.share(run), size="lg", mt=8),
            _figures(
                *_outcomes(told),
                *_awaited(run),
                *_now(run),
                *left,
            ),
            *([html.P(f"Its schedule is over. It awaits {awaited}.")] if awaited else []),
            *([html.P(PROGRESS_MEANING, className="dimmed")] if told else []),
            *_answers_and_failures(told),
            *rules_table(run),
        ]
    )


def _outcomes(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Of a progress or a result: requests that came due, answered, of these errors, failed.

    All that came due are counted: one that got no connection in time was never sent.
    """
    refused, errors, failed = answers(told, "4xx"), server_errors(told), failed_count(told)
    return [
        ("due", units.count(told.get("sent")), ""),
        ("answered", units.count(told.get("answered")), ""),
        *((("of these 4xx", units.count(refused), ""),) if refused else ()),
        *((("of these 5xx", units.count(errors), "bad"),) if errors else ()),
        ("failed", units.count(failed), "bad" if failed else ""),
    ]


def _awaited(run: LoadRun) -> list[tuple[str, str, str]]:
    """Of a run under way: requests that have not ended; for how long the oldest is awaited."""
    told = run.progress
    awaited, waiting = told.get("in_flight"), told.get("waiting")
    longest_s = run_progress.awaited_s(told, run.plan.scenario.timeout_seconds)
    return [
        ("awaited", units.count(awaited), ""),
        *((("no connection yet", units.count(waiting), ""),) if waiting else ()),
        *((("longest awaited", units.text(longest_s, "s"), ""),) if awaited else ()),
    ]


def _now(run: LoadRun) -> list[tuple[str, str, str]]:
    """Of a run under way: answers per second in the last second, and the newest p99."""
    told = run.progress
    per_s = told.get("status_classes_per_s") or {}
    p99 = run_progress.p99(told, run.plan.scenario.timeout_seconds)
    return [
        ("answered now", units.text(told.get("answered_per_s"), "{request}/s"), ""),
        *(
            (f"{name} now", units.text(per_s.get(name, 0.0), "{request}/s"), state)
            for name, state in (("4xx", ""), ("5xx", "bad" if per_s.get("5xx") else ""))
            if answers(told, name)  # so far: a figure that comes and goes would move the others
        ),
        (run_progress.p99_name(told), p99.text, ""),
    ]


def _answers_and_failures(told: Mapping[str, Any]) -> list[html.Dl]:
    """Of a progress that tells them: answers by status, and failures by kind."""
    if told.get("statuses") is None:
        return []
    return [_facts(_by_status_and_kind(told))]


def result(run: LoadRun) -> html.Div:
    """The result of a run that is over."""
    heading = html.Div(
        [
            html.Div(
                [
                    dcc.Link(f"Run {run.id}: {plan_text(run.plan)}", href=address_of(run.id)),
                    state_mark(run),
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
    durations = {name: run_texts.latency(told, key) for key, name in LATENCY_NAMES.items()}
    durations["naive p99"] = run_texts.latency(told, "p99", FROM_SEND)
    if run_texts.has_errors(told):
        for key in ("p50", "p99"):
            durations[f"{key}, {SUCCEEDED}"] = run_texts.latency(told, key, OF_SUCCESS)
    return html.Div(
        [
            heading,
            said,
            counts(run),
            html.P(f"Latency of {run_texts.timed_text(told)}:"),
            _figures(*((name, duration.text, "") for name, duration in durations.items())),
            html.P(MEANING, className="dimmed"),
            *rules_table(run),
            details(run),
        ]
    )


def state_text(run: LoadRun) -> str:
    """Where a run stands; one whose requests have all come due says so, as it sends no more."""
    is_over = run.state is RunState.RUNNING and bool(status.awaited_text(run))
    return "ending" if is_over else run.state.value


def state_mark(run: LoadRun) -> html.Span:
    """The same, coloured; green is only what is well: nothing has failed, and load is sent.

    A search, a verdict or a comparison that is done has no colour: that it ended says nothing of
    what it found.
    """
    told, text = run.result or run.progress, state_text(run)
    is_plain = text != run.state.value
    if run.state in {RunState.RUNNING, RunState.DONE}:
        is_plain |= bool(failed_count(told) or server_errors(told))
    colour = "well" if run.state is RunState.DONE else text
    return html.Span(text, className="state" if is_plain else f"state {colour}")


def counts(run: LoadRun) -> html.Div:
    """Of a run with a result: requests due, answered and failed, and the rate of answers."""
    told = run.result
    achieved = units.text(told.get("rate_achieved"), "{request}/s")
    return _figures(*_outcomes(told), ("answered per second", achieved, ""))


def details(run: LoadRun) -> html.Dl:
    """Of a run with a result: its answers, its failures, and the generator's own part."""
    return _facts(_details(run))


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
    """Rows of the table of runs."""
    return list(map(_history_row, runs))


def _history_row(run: LoadRun) -> dict[str, Any]:
    told = run.result or run.progress
    latency_ms = told.get("latency_ms") or {}
    return {
        "key": str(run.id),
        "id": run.id,
        "called": f"Run {run.id}",
        "address": address_of(run.id),
        "at": run.started_s or run.requested_s,
        "state": state_text(run),
        "plan": plan_text(run.plan) + _where(run),
        "sent": told.get("sent"),
        "failed": failed_count(told) if told else None,
        "errors": server_errors(told),
        "p50": latency_ms.get("p50"),
        "p99": latency_ms.get("p99"),
        "max": latency_ms.get("max"),
        "naive": (told.get("naive_ms") or {}).get("p99"),
        "p50_text": run_texts.latency(run.result, "p50").text,
        "p99_text": run_texts.latency(run.result, "p99").text,
        "naive_text": run_texts.latency(run.result, "p99", FROM_SEND).text,
        "max_text": run_texts.latency(run.result, "max").text,
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


def _by_status_and_kind(told: Mapping[str, Any]) -> dict[str, str]:
    """Of a progress or a result: answers by status, and failures by kind."""
    kinds = {kind: count for kind, count in told["failed"].items() if count}
    return {
        "Answers by status": _pairs(told["statuses"]) or "none",
        "Failures by kind": _pairs({outcome_name(kind): kinds[kind] for kind in kinds}) or "none",
    }


def _lateness(run: LoadRun) -> str:
    """How late the generator itself sent, and whether that spoils what the run says of a server."""
    told, evidence = run_texts.lateness_text(run.result["lag_ms"]), gathering.run_of(run).run
    if evidence is None or evidence.p99_s is None:
        return f"{told}."
    if is_limited_by_generator(evidence):
        return f"{told}. The run measured the generator, not the server."
    if is_generator_late(evidence):
        return f"{told}. More than a tenth of p99 may be this delay, not the server's."
    return f"{told}. At most a tenth of p99 is this delay."


def _details(run: LoadRun) -> dict[str, str]:
    told = run.result
    others = told.get("generator")
    facts = {
        **({"Sent by": others} if others else {}),
        **_by_status_and_kind(told),
        run_texts.LATENESS: _lateness(run),
        f"CPU time of {'the busiest worker' if others else 'the generator'}": units.text(
            told.get("cpu_seconds"), "s"
        ),
        "Received": units.text(told.get("bytes_received"), "By"),
    }
    if told.get("never_sent"):
        facts["Never sent, for want of a connection"] = units.count(told["never_sent"])
    if told.get("cancelled"):
        facts["Given up when it was stopped"] = units.count(told["cancelled"])
    return facts


def _facts(facts: Mapping[str, str]) -> html.Dl:
    parts = [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))]
    return html.Dl(parts, className="facts")


def _figures(*figures: tuple[str, str, str]) -> html.Div:
    return html.Div(
        [
            html.Div([html.Span(name), html.B(value)], className=state)
            for name, value, state in figures
        ],
        className="figures",
    )


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {units.count(count)}" for name, count in counts.items())
