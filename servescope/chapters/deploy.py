"""Deploy: an app below gunicorn, its workers, and the signals that end them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final, cast

from servescope.chapters.chapter import (
    Bars,
    Chapter,
    Point,
    Question,
    Reading,
    Setting,
    Snippet,
    Step,
    steps_of,
)
from servescope.chapters.guesses import ChoiceGuess, NumberGuess, number_text
from servescope.demo import programs
from servescope.experiments.gone_server import GoneServer
from servescope.experiments.signalled_server import SignalledServer
from servescope.experiments.slow_connection import REPORT_S, STUCK_S, SlowConnection, Stuck
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS: Final = 6
_FAILED: Final = "failed"
_LAPTOP: Final = "the laptop"
_MS_PER_S: Final = 1e3
_NGINX: Final = """\
server {
    listen 443 ssl;
    server_name example.org;
    ssl_certificate     /etc/ssl/example.org.pem;
    ssl_certificate_key /etc/ssl/example.org.key;

    location /static/ {
        root /srv/example;
    }
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}"""


def _setting(
    name: str, label: str, experiment: SignalledServer, failed: int, because: str
) -> Setting:
    points = (Point("answered", float(REQUESTS - failed)), Point(_FAILED, float(failed)))
    return Setting(name, label, experiment, float(failed), because, points)


def _signalled(
    number: signal.Signals, *, to_worker: bool, workers: int = 2, threads: int = 1
) -> SignalledServer:
    return SignalledServer(workers, threads, number, to_worker, REQUESTS)


_PHONE: Final = {
    Stuck.SENDING: (
        "A phone sends half of its request. Then its train is in a tunnel: for "
        f"{STUCK_S:g} seconds nothing gets through. Then it sends the rest."
    ),
    Stuck.RECEIVING: (
        "A phone sends its request, and gets the first bytes of the response. Then its train is in "
        f"a tunnel: for {STUCK_S:g} seconds nothing gets through. Then it takes the rest."
    ),
}
_LATE_S: Final = STUCK_S + 2 * REPORT_S


def _slow(name: str, stuck: Stuck, laptop_s: float, because: str, *, has_proxy: bool) -> Setting:
    """A phone that is stuck, and the laptop's time by theory; that of the phone is the same."""
    label = "A slow phone sends" if stuck is Stuck.SENDING else "A slow phone reads"
    proxied = "A reverse proxy stands in front of gunicorn. " if has_proxy else ""
    return Setting(
        name,
        f"{label}: {'proxy in front' if has_proxy else 'gunicorn alone'}",
        SlowConnection(stuck, has_proxy),
        laptop_s,
        because,
        (Point("the phone", STUCK_S + REPORT_S), Point(_LAPTOP, laptop_s)),
        question=Question(
            f"Gunicorn has one worker, and the app takes a second for a long report. {proxied}"
            f"{_PHONE[stuck]} Right after the first bytes of the phone's request a laptop with a "
            "good connection sends its own. How many seconds later does the laptop have its "
            "report?",
            NumberGuess("The laptop has its report after", "s", 0, 60),
            Bars(
                "A bad and a good connection",
                "Seconds from the first request until each has its report",
                "s",
                asked=_LAPTOP,
            ),
            0.1,
        ),
    )


def _read_slow(measured: Mapping[str, Any]) -> Reading:
    phone_s, laptop_s = (measured[f"{name}_ms"] / _MS_PER_S for name in ("phone", "laptop"))
    return Reading(
        laptop_s,
        points=(phone_s, laptop_s),
        steps=steps_of(measured),
        told=(
            (
                f"The phone had its report after {number_text(phone_s, 's')}, the laptop after "
                f"{number_text(laptop_s, 's')}. The first line of each report says who had asked, "
                f"as far as the app knew. In the phone's it is “{measured['phone_seen']}”, in the "
                f"laptop's “{measured['laptop_seen']}”: from the address that connected, for the "
                "one that a proxy names, and for nobody without a proxy. Addresses that begin with "
                "127 are of this very machine: phone and laptop are programs on it."
            ),
        ),
    )


def _read_gone(measured: Mapping[str, Any]) -> Reading:
    told = (
        f"Before gunicorn ended, the status was {measured['before']}. After that it was "
        f"{measured['after']}."
    )
    return Reading(str(measured["after"]), steps=steps_of(measured), told=(told,))


def _read(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    if "phone_ms" in measured:
        return _read_slow(measured)
    if "after" in measured:
        return _read_gone(measured)
    outcomes = measured["outcomes"]
    failed = sum(not one["pid"] for one in outcomes)
    answered = len(outcomes) - failed
    pids = {one["pid"] for one in outcomes if one["pid"]}
    last_ms = max(one["at_ms"] for one in outcomes)
    by = f", by {counted(len(pids), 'process', 'processes')}" if pids else ""
    said = counted(answered, "request was", "requests were") if answered else "No request was"
    return Reading(
        float(failed),
        points=(float(answered), float(failed)),
        steps=_steps(setting, measured),
        told=(
            (
                f"{said} answered{by}. The last of the {REQUESTS} ended "
                f"{number_text(last_ms / _MS_PER_S, 's')} after they were sent."
            ),
        ),
    )


def _steps(setting: Setting, measured: Mapping[str, Any]) -> tuple[Step, ...]:
    steps = [Step(0.0, "client", f"{len(measured['outcomes'])} requests are sent")]
    signalled = cast("SignalledServer", setting.experiment)
    name = signalled.signal.name.removeprefix("SIG")
    which = "a worker" if signalled.to_worker else "gunicorn itself"
    sent = f"sends {name} to process {measured['signalled']}, {which}"
    steps.append(Step(measured["signalled_ms"], "kill", sent))
    steps += [Step(at_ms, "gunicorn", f"writes: “{text}”") for at_ms, text in measured["log"]]
    steps += [
        Step(
            one["at_ms"],
            "client",
            f"answered by process {one['pid']}" if one["pid"] else f"failed: {one['error']}",
        )
        for one in measured["outcomes"]
    ]
    return tuple(sorted(steps, key=lambda step: step.at_ms))


CHAPTER: Final = Chapter(
    name="deploy",
    number=12,
    title="Deploy: workers, and a proxy in front",
    question=(
        "Six people ask at the same moment, and the app takes a second for each. Half a second "
        "later a process of the server gets a signal. How many of the six requests fail?"
    ),
    before=(
        (
            "The server that comes with a framework is for your own machine. To deploy an app is "
            "to bring it to a machine that serves everybody, with a server such as gunicorn. "
            "app:server tells gunicorn that the app is called server and is in the file app.py. "
            "Gunicorn is several processes, which are running programs, each with a number of its "
            "own: the pid. The first one answers no request. It starts other ones, the workers, "
            "and another one whenever a worker ends. All workers take connections from the same "
            "listening socket: the place at which the operating system keeps new connections in a "
            "queue."
        ),
        Snippet("app.py", programs.source("deployed_app")),
        Snippet("Serve it", "pip install gunicorn\ngunicorn app:server --workers 2"),
        (
            "Below gunicorn has two workers, unless your choice says something else. A worker "
            "takes one connection at a time, unless it is given threads; all other clients wait in "
            "that queue. A signal is a short message to a process, and the command "
            "kill sends it: “kill -9” (KILL) ends the process at once, and no process can prevent "
            "that. “kill -TERM” asks it to end. “kill -HUP” asks gunicorn for new workers."
        ),
        (
            "In front of gunicorn there is usually a reverse proxy, such as nginx: another server. "
            "It takes the connections of the clients, sends their requests on to gunicorn by "
            "connections of its own, and gives the responses back. The proxy of these experiments "
            "is a small one that is part of this dashboard. It waits for whole requests and takes "
            "responses off gunicorn, as nginx does."
        ),
    ),
    guess=NumberGuess("Requests that fail", f"of {REQUESTS}", 0, REQUESTS),
    knob="What happens",
    settings=(
        _setting(
            "kill-worker",
            "kill -9 to one of two workers",
            _signalled(signal.SIGKILL, to_worker=True),
            1,
            "The one request that this worker had is lost. Those that wait are in the queue of the "
            "socket, not in the worker: the other worker takes them, and the new one that gunicorn "
            "starts.",
        ),
        _setting(
            "term-worker",
            "kill -TERM to one of two workers",
            _signalled(signal.SIGTERM, to_worker=True),
            0,
            "The worker answers the request that it has, takes no further one, and ends. Gunicorn "
            "starts another.",
        ),
        _setting(
            "kill-threads",
            "kill -9: one worker with six threads",
            _signalled(signal.SIGKILL, to_worker=True, workers=1, threads=REQUESTS),
            REQUESTS,
            "Threads share the process: all six requests were in it, and all are lost. More "
            "workers with fewer threads lose less at a time.",
        ),
        _setting(
            "term-server",
            "kill -TERM to gunicorn itself",
            _signalled(signal.SIGTERM, to_worker=False),
            REQUESTS - 2,
            "Both workers answer what they have, and end. With the last of them the socket is "
            "closed, and the operating system breaks off the connections that no worker had taken. "
            "So to end gunicorn and start it again loses requests.",
        ),
        _setting(
            "hup-server",
            "kill -HUP to gunicorn itself",
            _signalled(signal.SIGHUP, to_worker=False),
            0,
            "Gunicorn keeps the socket, starts two new workers, and has the old ones end after the "
            "request that they have. The new ones have read the app anew: so a new version of it "
            "takes over, and no request is lost.",
        ),
        _slow(
            "sending",
            Stuck.SENDING,
            _LATE_S,
            "The worker has taken the phone's connection, and waits for the rest of its request. "
            "Nobody else is served meanwhile. Then come the phone's report and the laptop's, a "
            "second each.",
            has_proxy=False,
        ),
        _slow(
            "sending-proxy",
            Stuck.SENDING,
            REPORT_S,
            "The proxy waits for the phone, and it can wait for thousands at a time. It connects "
            "to gunicorn only when it has a request whole, and the laptop's was whole first. The "
            "worker never knew of the tunnel.",
            has_proxy=True,
        ),
        _slow(
            "receiving",
            Stuck.RECEIVING,
            _LATE_S,
            "The operating system keeps a small part of the response for a client that does not "
            "take it. With the rest the worker has to wait, and the laptop waits for the worker.",
            has_proxy=False,
        ),
        _slow(
            "receiving-proxy",
            Stuck.RECEIVING,
            2 * REPORT_S,
            "The proxy takes the whole response at once, and keeps it until the phone can take it. "
            "So the worker is free after a second, and then makes the laptop's report. The second "
            "that the app needs for the phone is not saved: a proxy makes no app faster.",
            has_proxy=True,
        ),
        Setting(
            "gone",
            "Gunicorn has ended, the proxy runs on",
            GoneServer(),
            "502",
            "The client has reached the proxy, so it is connected, and gets a response. With 502 "
            "Bad Gateway the proxy says that it only passes requests on, and that no server behind "
            "it answers. If there is one, and it takes too long, the proxy says 504 Gateway "
            "Timeout.",
            question=Question(
                "A reverse proxy stands in front of gunicorn. Somebody ends gunicorn, with all "
                "its workers; the proxy runs on. What does the next client get?",
                ChoiceGuess(
                    "The client gets",
                    (
                        ("refused", "no connection: it is refused"),
                        ("404", "404 Not Found"),
                        ("500", "500 Internal Server Error"),
                        ("502", "502 Bad Gateway"),
                        ("none", "no response, until gunicorn is there again"),
                    ),
                ),
            ),
        ),
    ),
    read=_read,
    picture=Bars(
        "What came of the requests", f"Requests, of {REQUESTS}", "requests", asked=_FAILED
    ),
    after=(
        (
            "A reverse proxy keeps slow clients away from the workers, which are few. It also "
            "speaks HTTPS, so that gunicorn need not, sends files by itself, and can ask another "
            "server when one does not answer."
        ),
        (
            "All connections that gunicorn gets come from the proxy. So the proxy is told to add "
            "two fields to the head of each request: X-Forwarded-For has the client's address, "
            "and X-Forwarded-Proto says whether it came by http or https. A client can write such "
            "a field, too. So the proxy replaces it, and an app may believe it only if all "
            "requests come by the proxy."
        ),
        Snippet("The same with nginx: a part of its configuration", _NGINX),
        (
            "This dashboard is deployed in the same way: gunicorn app:server in its folder. Some "
            "rules: end it by TERM and never by KILL; bring a new version by HUP; have at least "
            "two workers, so that a lost one was not the only one."
        ),
    ),
    seen_on=("Requests", "Latency"),
)
