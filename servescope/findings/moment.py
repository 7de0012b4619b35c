"""Judgements of a moment: the dashboard's data, the listeners, the hardware below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings import thresholds
from servescope.findings.finding import Figure, Finding, Severity, page_of, requests_link
from servescope.findings.thresholds import severity
from servescope.records.listeners import ConcurrencyModel, ListenerState
from servescope.records.server_kinds import ServerKind
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import AnsweringListener, Evidence, ListenerEvidence

FEWEST_FOR_P95: Final = 20
"""Of fewer requests the 95th percentile is the slowest one, and is called that."""

FEWEST_ERRORS: Final = 3
"""So many server errors are bad; fewer are worth a warning, whatever their share."""

SILENT_FROM_S: Final = 15.0
SILENT_UNTIL_S: Final = 7_200.0
"""For how long a host that ceased to send is worth a warning."""

SERVER_ERRORS_CLASS: Final = "5xx"

NO_SUCH_LISTENER: Final = "no-such-listener"
"""The code of the finding that nothing is and was of a name: nothing else can be said of it."""

NONE_RUNS_CODE: Final = "none-runs"
"""The code of the finding that no listener runs: there is nothing to measure then."""

_ALL_BUT: Final = 0.05
"""Share of the threads below which the mean of a gauge that is sampled may miss all of them."""

_ARRIVAL: Final = "{} arrival in the kernel"
_CLOCK_BEGINS: Final = {ServerKind.LISTENER: _ARRIVAL, ServerKind.APP: "the call of the app"}
"""From when on the duration of a request to a server is counted, by its kind."""


def is_measured(evidence: Evidence) -> bool:
    """Whether there are figures to judge: of now for a live moment, any for a past one."""
    dashboard = evidence.dashboard
    if dashboard is None:
        return not evidence.is_past or _has_figures(evidence)
    return severity(thresholds.DATA_AGE, dashboard.age_s) is Severity.GOOD


def data(evidence: Evidence) -> Iterator[Finding]:
    """Whether there is data, and whether it is of the moment that is judged."""
    dashboard = evidence.dashboard
    if evidence.is_past and not is_measured(evidence):
        yield Finding(
            Severity.UNKNOWN,
            "no-data-in-span",
            "data",
            "Nothing was recorded in this span: nothing is known about the servers then.",
            (Figure("length of the span", evidence.window_s, "s"),),
            "/",
        )
    if dashboard is None:
        return
    if dashboard.age_s is None:
        yield Finding(
            Severity.UNKNOWN,
            "no-data",
            "data",
            "No second has been recorded yet: nothing is known about the servers.",
            (Figure("age of the data", None, "s"),),
            "/",
        )
    elif not is_measured(evidence):
        nobody = " No process collects at the moment." if dashboard.has_leader is False else ""
        yield Finding(
            Severity.UNKNOWN,
            "stale-data",
            "data",
            f"The newest data is {units.text(dashboard.age_s, 's')} old: nothing is known about "
            f"the time since.{nobody}",
            (Figure("age of the data", dashboard.age_s, "s"),),
            "/",
        )


def lost_requests(evidence: Evidence) -> Iterator[Finding]:
    """Requests that no figure contains, since the collector came too late for them."""
    lost = evidence.dashboard.lost_requests if evidence.dashboard is not None else 0
    if lost and is_measured(evidence):
        was = "1 request was" if lost == 1 else f"{lost:,} requests were"
        yield Finding(
            Severity.WARN,
            "requests-lost",
            "data",
            f"{was} overwritten before the collector read them in the last {evidence.window_s} s: "
            "counts and rates are too low by so many.",
            (Figure("overwritten", lost, "{request}"),),
            "/",
        )


def listener_states(evidence: Evidence) -> Iterator[Finding]:
    """Listeners that should run and do not."""
    for one in evidence.listeners:
        if one.state is ListenerState.FAILED:
            reason = one.message.rstrip(".") or "it gave no reason"
            yield Finding(
                Severity.BAD,
                "listener-down",
                one.called,
                f"{capitalized(one.called)} does not run: {reason}.",
                (),
                "/servers",
            )


def none_runs(evidence: Evidence) -> Iterator[Finding]:
    """That people have stopped all listeners that could run: no client gets an answer.

    Those that should run and do not have a finding of their own. An app under another server that
    records here answers, too.
    """
    if evidence.is_past or not _is_moment(evidence) or current_listeners(evidence):
        return
    hosted = [one for one in evidence.listeners if one.is_hosted]
    stopped = [one.name for one in hosted if one.state is ListenerState.STOPPED]
    if not stopped or any(one.state is ListenerState.STARTING for one in hosted):
        return
    told = f"No listener runs ({', '.join(stopped)} {'is' if len(stopped) == 1 else 'are'} "
    told += "stopped): nobody answers requests."
    running = Figure("listeners that run", 0)
    yield Finding(Severity.BAD, NONE_RUNS_CODE, "listeners", told, (running,), "/servers")


def _stopped(evidence: Evidence) -> Iterator[ListenerEvidence]:
    return (
        one
        for one in evidence.listeners
        if one.state is ListenerState.STOPPED and one.port_holder is not None
    )


def stopped_without_port(evidence: Evidence) -> Iterator[Finding]:
    """Listeners that a person stopped, at a unix socket, or whose port the kernel picks anew."""
    for one in _stopped(evidence):
        if not one.port:
            told = f"{capitalized(one.called)} is stopped: nobody answers requests to it."
            yield Finding(Severity.NOTE, "listener-stopped", one.called, told, (), "/servers")


def stopped_beside_others(evidence: Evidence) -> Iterator[Finding]:
    """The same while any other runs: where none does, `none_runs` names them all."""
    if not any(none_runs(evidence)):
        yield from stopped_without_port(evidence)


def stopped_ports(evidence: Evidence) -> Iterator[Finding]:
    """The refusals that clients meet at the port of a listener that a person stopped."""
    for one in _stopped(evidence):
        if not one.port:
            continue
        figures = (Figure("port", one.port),)
        subject = one.called
        if one.port_holder:
            yield Finding(
                Severity.WARN,
                "stopped-port-taken",
                subject,
                f"{capitalized(one.called)} is stopped, and port {one.port} is taken by "
                f"{one.port_holder}.",
                figures,
                "/servers",
            )
        else:
            yield Finding(
                Severity.NOTE,
                "not-listening",
                subject,
                f"{capitalized(one.called)} is stopped: nobody listens at port {one.port}, so "
                "connections to it are refused.",
                figures,
                "/servers",
            )


def absent_listener(evidence: Evidence) -> Iterator[Finding]:
    """That the page is narrowed to a name which no listener and no app has, or has any more."""
    chosen = evidence.chosen
    if chosen is None or chosen.is_here:
        return
    if not chosen.is_recorded:
        yield Finding(
            Severity.NOTE,
            NO_SUCH_LISTENER,
            "listeners",
            f"There is no listener or app named “{chosen.name}”, and nothing is recorded of one.",
            (),
            "/servers",
        )
    elif chosen.is_here is False and not evidence.is_past:
        yield Finding(
            Severity.NOTE,
            "listener-gone",
            "listeners",
            f"No listener or app named “{chosen.name}” is here now: all that is shown of it was "
            "recorded before.",
            (),
            "/servers",
        )


def remarks(evidence: Evidence) -> Iterator[Finding]:
    """In what a listener that runs is not as it was asked for, such as its port."""
    for one in evidence.listeners:
        if one.state is ListenerState.RUNNING and one.message:
            yield Finding(
                Severity.NOTE,
                "not-as-asked",
                one.called,
                f"{capitalized(one.called)}: {one.message.rstrip('.')}.",
                (Figure("port", one.port),),
                "/servers",
            )


def busy_of(threads: int, busy_threads: float) -> int:
    """How many of all threads count as busy, by the mean of the gauge."""
    if busy_threads >= threads * (1 - _ALL_BUT):
        return threads
    return min(round(busy_threads), threads)


def threads_severity(busy_ratio: float, queued: float, answers_per_s: float) -> Severity:
    """How a share of busy threads is meant, with the requests that wait for one."""
    state = severity(thresholds.BUSY_THREADS, busy_ratio)
    if not queued:
        return state if state is Severity.GOOD else Severity.WARN
    if not answers_per_s:
        return Severity.BAD
    wait_state = severity(thresholds.THREAD_WAIT, queued / answers_per_s)
    if wait_state is Severity.GOOD or state is not Severity.BAD:
        return wait_state
    return state


def request_threads(evidence: Evidence) -> Iterator[Finding]:
    """Request threads that are all busy, and the requests that wait for one."""
    for one in current_listeners(evidence):
        if not one.threads or one.busy_threads is None:
            continue
        busy = busy_of(one.threads, one.busy_threads)
        queued = round(one.queued_requests or 0)
        if queued and evidence.is_past:
            yield from _waited_for_threads(evidence, one, busy, queued)
            continue
        rate = max(one.answers - one.unread, 0) / evidence.window_s
        state = threads_severity(busy / one.threads, queued, rate)
        if state is Severity.GOOD:
            continue
        figures = [Figure("busy threads", busy), Figure("threads", one.threads)]
        told = f"{capitalized(one.called)}: {busy} of {counted(one.threads, 'request thread')} "
        told += f"{_be(evidence, one.threads)} busy"
        if not queued:
            yield Finding(
                state,
                "threads-busy",
                one.called,
                f"{told}; {_who_waits(evidence, one)}.",
                tuple(figures),
                "/ports",
            )
            continue
        figures.append(Figure("queued requests", queued))
        told += f", and {counted(queued, 'request')} {'waits' if queued == 1 else 'wait'} for one"
        told += _in_own_process(one, queued)
        if not rate:
            told += f"; none was served {when(evidence)}."
        else:
            wait_s = queued / rate
            figures += [Figure("served", rate, "{request}/s"), Figure("wait", wait_s, "s")]
            told += (
                f"; at {units.text(rate, '{request}/s')} served{_by_thread(one)}, a request that "
                f"came now would wait about {units.text(wait_s, 's')}{_if_let_in(one)}."
            )
        yield Finding(state, "threads-exhausted", one.called, told, tuple(figures), "/ports")


def _waited_for_threads(
    evidence: Evidence, one: ListenerEvidence, busy: int, queued: int
) -> Iterator[Finding]:
    """The same of a past span, of which `queued` is the most at a time and `busy` a mean.

    Neither gives the wait of a request, so the sentence has the measured one.
    """
    wait_s = one.thread_wait_s
    state = Severity.BAD if wait_s is None else severity(thresholds.THREAD_WAIT, wait_s)
    if state is Severity.GOOD:
        return
    threads = counted(one.threads or 0, "request thread")
    waited = f"up to {counted(queued, 'request')} at a time waited for "
    told = f"{capitalized(one.called)}: "
    if busy == one.threads:
        told += f"{busy} of {threads} {_be(evidence, busy)} busy, and {waited}one"
    else:
        told += f"{waited}{'its' if one.threads == 1 else 'one of its'} {threads}"
    told += _in_own_process(one, queued)
    figures = [Figure("busy threads", busy), Figure("threads", one.threads)]
    figures.append(Figure("queued requests, most", queued))
    if wait_s is None:
        told += f"; none was served {when(evidence)}."
    else:
        figures.append(Figure("mean wait for a thread", wait_s, "s"))
        are_read = "were read and " if one.unread else ""
        told += f"; those that {are_read}ended {when(evidence)} waited "
        told += f"{units.text(wait_s, 's')} on average."
    yield Finding(state, "threads-exhausted", one.called, told, tuple(figures), "/ports")


def _in_own_process(one: ListenerEvidence, queued: int) -> str:
    """A connection stays with the process that has it."""
    if one.model != ConcurrencyModel.PREFORK:
        return ""
    return f" in {'its' if queued == 1 else 'their'} own process"


def _if_let_in(one: ListenerEvidence) -> str:
    """A wait is that of a request whose connection there is room for."""
    share = one.turned_away / one.new_connections if one.new_connections else 0.0
    if not share:
        return ""
    return f" unless turned away, as {units.text_in_words(share, '1')} of new connections are"


def _by_thread(one: ListenerEvidence) -> str:
    """Apart from those that were turned away, which waited for none."""
    return " by a thread" if one.unread else ""


def _who_waits(evidence: Evidence, one: ListenerEvidence) -> str:
    """Of a listener whose own queue is empty: requests may come behind those still unaccepted."""
    depth = round(one.accept_queue_depth or 0)
    if not depth:
        return f"no request {evidence.verb('waits')} for one{'' if evidence.is_past else ' yet'}"
    return f"up to {counted(depth, 'connection')} waited to be accepted {when(evidence)}"


def kernel_waits(evidence: Evidence) -> Iterator[Finding]:
    """Requests whose bytes wait in the kernel: nobody has the time to read them."""
    for one in current_listeners(evidence):
        state = severity(thresholds.KERNEL_WAIT, one.kernel_wait_s)
        if state in {Severity.WARN, Severity.BAD}:
            yield Finding(
                state,
                "kernel-wait",
                one.called,
                f"Requests to {one.called} that ended {when(evidence)} waited "
                f"{units.text(one.kernel_wait_s, 's')} on average in the kernel before the server "
                "read them.",
                (Figure("mean wait in the kernel", one.kernel_wait_s, "s"),),
                page_of("/latency", one.name),
            )


def server_errors(evidence: Evidence) -> Iterator[Finding]:
    """Answers that blame the server."""
    for one in current_listeners(evidence):
        if not one.server_errors or not one.answers:
            continue
        ratio = one.server_errors / one.answers
        state = severity(thresholds.SERVER_ERRORS, ratio)
        if state is Severity.GOOD:
            continue
        if one.server_errors < FEWEST_ERRORS:
            state = Severity.WARN
        yield Finding(
            state,
            "server-errors",
            one.called,
            f"{one.server_errors:,} of {counted(one.answers, 'answer')} of {one.called} "
            f"{when(evidence)} were server errors (5xx)."
            if one.server_errors > 1
            else f"1 of {counted(one.answers, 'answer')} of {one.called} "
            f"{when(evidence)} was a server error (5xx).",
            (
                Figure("server errors", one.server_errors, "{request}"),
                Figure("answers", one.answers, "{request}"),
            ),
            requests_link(one.name, SERVER_ERRORS_CLASS),
        )


def latencies(evidence: Evidence) -> Iterator[Finding]:
    """Answers that take longer than people wait."""
    for one in current_listeners(evidence):
        state = severity(thresholds.LATENCY, one.p95_s)
        if state not in {Severity.WARN, Severity.BAD} or not one.requests:
            continue
        yield Finding(
            state,
            "slow",
            one.called,
            f"{slowest_took(one, when(evidence))}.",
            (Figure("p95", one.p95_s, "s"), Figure("requests read", one.read, "{request}")),
            page_of("/latency", one.name),
        )


def slowest_took(one: AnsweringListener, during: str) -> str:
    """How long the slowest requests of a listener took, and from when on by its clock.

    A client's clock begins when a request is due: beside it nobody should take one for the other.
    """
    took = units.percentile_in_words(one.p95_s)
    if one.read >= FEWEST_FOR_P95:
        took = f"{units.text(one.p95_s, 's')} or longer"
    begins = _CLOCK_BEGINS.get(one.kind, _ARRIVAL).format("its" if one.read == 1 else "their")
    return f"{_slowest(one, during)} took {took}, counted from {begins}"


def _slowest(one: AnsweringListener, during: str) -> str:
    """The subject of a sentence about the slowest requests of a listener, of those it read.

    How long those take that have not ended is not known yet.
    """
    if one.read == 1:
        is_read = " was read and" if one.unread else ""
        return f"The one request to {one.called} that{is_read} ended {during}"
    some = f"The slowest of {one.read:,}"
    if one.read >= FEWEST_FOR_P95:
        some = "5 of 100"
        if units.text(one.p50_s, "s") == units.text(one.p95_s, "s"):  # as behind one long queue
            some = "At least half of the"
        elif units.at_least(one.p95_s):  # longer than a histogram tells apart: it may be more
            some = "At least 5 of 100"
    are_read = " were read and" if one.unread else ""
    return f"{some} requests to {one.called} that{are_read} ended {during}"


def hardware(evidence: Evidence) -> Iterator[Finding]:
    """The host, and the limits of the container around us."""
    host = evidence.host
    if host is None or not is_measured(evidence):
        return
    for name, value, code, form in (
        (thresholds.CPU, host.cpu_utilization, "cpu", "The host's CPU {is} {value} busy."),
        (
            thresholds.MEMORY,
            host.memory_utilization,
            "memory",
            "The host's memory {is} {value} used.",
        ),
        (
            thresholds.CPU,
            host.container_cpu_ratio,
            "container-cpu",
            "The container {uses} {value} of the CPU time that its cgroup allows.",
        ),
        (
            thresholds.MEMORY,
            host.container_memory_ratio,
            "container-memory",
            "The container {uses} {value} of the memory that its cgroup allows.",
        ),
    ):
        state = severity(name, value)
        if state in {Severity.WARN, Severity.BAD}:
            yield Finding(
                state,
                code,
                "container" if code.startswith("container") else "host",
                form.format(value=units.text_in_words(value, "1"), **evidence.verbs),
                (Figure(code, value, "1"),),
                "/host",
            )
    yield from _full_core(evidence)


def _full_core(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.host
    if host is None or severity(thresholds.CPU, host.cpu_utilization) is not Severity.GOOD:
        return  # all cores are busy, which is said already
    full = [
        (name, value)
        for name, value in host.core_utilizations.items()
        if severity(thresholds.CORE, value) is not Severity.GOOD
    ]
    for name, value in full:
        busy, of_host = (units.text_in_words(ratio, "1") for ratio in (value, host.cpu_utilization))
        yield Finding(
            Severity.WARN,
            "core",
            f"core {name}",
            f"Core {name} {evidence.verb('is')} {busy} busy and the host as a whole {of_host}: a "
            "server with one thread at work gets no more than one core.",
            (Figure(f"core {name}", value, "1"), Figure("CPU", host.cpu_utilization, "1")),
            "/host",
        )


def silent_hosts(evidence: Evidence) -> Iterator[Finding]:
    """Hosts that stopped sending lately; after SILENT_UNTIL_S one counts as taken away."""
    for one in evidence.fleet:
        if SILENT_FROM_S <= one.silent_s < SILENT_UNTIL_S:
            yield Finding(
                Severity.WARN,
                "silent-host",
                f"host {one.name}",
                f"Host {one.name} has sent nothing for {units.text(one.silent_s, 's')}.",
                (Figure("silent for", one.silent_s, "s"),),
                "/",
            )


def nothing_wrong(evidence: Evidence) -> Finding | None:
    """The sentence for a moment without a worse finding; None where nothing can be said."""
    if not _is_moment(evidence):
        return None
    said, judged = _running(evidence), current_listeners(evidence)
    requests = sum(one.answers for one in judged)
    if any(none_runs(evidence)):
        return None
    if requests:
        enough = [one for one in judged if one.read >= FEWEST_FOR_P95]
        slowest = max((one for one in enough if one.p95_s is not None), key=_p95, default=None)
        said.append(f"{counted(requests, 'request')} {'was' if requests == 1 else 'were'} served")
        if slowest is not None:
            said.append(f"p95 {units.text(slowest.p95_s, 's')} at most")
    told = ", ".join(said) if requests else ", and ".join([*said, "no request came"])
    return _well(evidence, "nothing-wrong", told, Figure("served", requests, "{request}"))


def ports_well(evidence: Evidence) -> Finding | None:
    """The same of the ports alone; where nothing was measured at any, that."""
    if not _is_moment(evidence):
        return None
    said = _running(evidence)
    if any(none_runs(evidence)):
        return None
    depths = [one.accept_queue_depth for one in current_listeners(evidence)]
    depths += [one.accept_queue_depth for one in evidence.former_ports]
    known = [depth for depth in depths if depth is not None]
    if known:
        most = round(max(known))
        said.append(
            f"at most {counted(most, 'connection')} waited at a time to be accepted"
            if most
            else "no connection waited to be accepted"
        )
    if not said:
        return Finding(
            Severity.UNKNOWN,
            "ports-unknown",
            "ports",
            f"Nothing was measured {when(evidence)} at the ports of the listeners: nothing is "
            "known about them.",
            (Figure("waiting, most", None, "{connection}"),),
            "/ports",
        )
    figure = Figure("waiting, most", max(known, default=None), "{connection}")
    return _well(evidence, "ports-well", ", ".join(said), figure, " at the ports")


def _is_moment(evidence: Evidence) -> bool:
    """Whether there is a moment that can be judged, live or past."""
    return (evidence.dashboard is not None or evidence.is_past) and is_measured(evidence)


def _running(evidence: Evidence) -> list[str]:
    """How many of the listeners hosted here run; nothing where none is, and of the past."""
    if evidence.is_past:
        return []
    hosted = [one for one in evidence.listeners if one.is_hosted]
    if not hosted:
        return []
    running = sum(one.state is ListenerState.RUNNING for one in hosted)
    stopped = [one.name for one in hosted if one.state is ListenerState.STOPPED]
    run = "runs" if len(hosted) == 1 else "run"
    told = f"{running} of {counted(len(hosted), 'listener')} {run}"
    if stopped:
        told += f" ({', '.join(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped)"
    return [told]


def _well(evidence: Evidence, code: str, told: str, figure: Figure, where: str = "") -> Finding:
    sentence = f"Nothing wrong was found{where} {when(evidence)}: {told}."
    return Finding(Severity.GOOD, code, "servers", sentence, (figure,), "/")


def max_of(one: Severity, other: Severity) -> Severity:
    """The more urgent of two."""
    return min(one, other, key=lambda severity: severity.rank)


def current_listeners(evidence: Evidence) -> list[ListenerEvidence]:
    """The listeners that there are figures of; none while the data is not of the moment."""
    if not is_measured(evidence):
        return []
    return [one for one in evidence.listeners if one.state is ListenerState.RUNNING]


def _has_figures(evidence: Evidence) -> bool:
    host = evidence.host
    of_host = host is not None and host.cpu_utilization is not None
    return of_host or bool(evidence.listeners or evidence.former_ports)


def when(evidence: Evidence) -> str:
    """The window in words."""
    if evidence.is_past:
        return f"in this span of {units.length(evidence.window_s)}"
    return f"in the last {evidence.window_s} s"


def _be(evidence: Evidence, number: int) -> str:
    return evidence.verb("is") if number == 1 else evidence.verb("are")


def _p95(one: ListenerEvidence) -> float:
    return one.p95_s or 0.0
