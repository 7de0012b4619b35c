"""Deploy: an app below gunicorn, its workers, and the signals that end them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Chapter, Point, Reading, Setting, Snippet, Step
from servescope.chapters.guesses import NumberGuess
from servescope.demo import programs
from servescope.experiments.signalled_server import SignalledServer
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS: Final = 6
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
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}"""


def _setting(
    name: str, label: str, experiment: SignalledServer, failed: int, because: str
) -> Setting:
    points = (Point("answered", float(REQUESTS - failed)), Point("failed", float(failed)))
    return Setting(name, label, experiment, float(failed), because, points)


def _signalled(
    number: signal.Signals, *, to_worker: bool, workers: int = 2, threads: int = 1
) -> SignalledServer:
    return SignalledServer(workers, threads, number, to_worker, REQUESTS)


def _read(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    outcomes = measured["outcomes"]
    failed = sum(not one["pid"] for one in outcomes)
    answered = len(outcomes) - failed
    pids = {one["pid"] for one in outcomes if one["pid"]}
    last_ms = max(one["at_ms"] for one in outcomes)
    by = f", by {counted(len(pids), 'process', 'processes')}" if pids else ""
    return Reading(
        float(failed),
        points=(float(answered), float(failed)),
        steps=_steps(setting, measured),
        told=(
            (
                f"{counted(answered, 'request was', 'requests were')} answered{by}; the last of "
                f"all ended {last_ms / _MS_PER_S:.1f} s after they were sent."
            ),
        ),
    )


def _steps(setting: Setting, measured: Mapping[str, Any]) -> tuple[Step, ...]:
    steps = [Step(0.0, "client", f"{len(measured['outcomes'])} requests are sent")]
    sent = f"{setting.label}: process {measured['signalled']}"
    steps.append(Step(measured["signalled_ms"], "operator", sent))
    steps += [Step(at_ms, "gunicorn", text) for at_ms, text in measured["log"]]
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
    title="Deploy: workers, and how they end",
    question=(
        "Six people ask at the same moment, and the app takes a second for each. Half a second "
        "later a process of the server gets a signal. How many of the six requests fail?"
    ),
    before=(
        (
            "The server of a framework is for your own machine. To deploy an app, you give it to "
            "a server such as gunicorn: app:server is the object server of the file app.py. Its "
            "first process serves nobody. It starts workers, which share one listening socket, "
            "and starts another one when a worker ends."
        ),
        Snippet("app.py", programs.source("deployed_app")),
        Snippet("Serve it", "pip install gunicorn\ngunicorn app:server --workers 2"),
        (
            "A plain worker takes one connection at a time. All other clients wait in the kernel's "
            "queue of that socket. A signal is how one process tells another one to end: KILL "
            "(9) ends it at once, and no process can prevent that. TERM asks it to end. HUP asks "
            "gunicorn for new workers."
        ),
    ),
    guess=NumberGuess("Requests that fail", f"of {REQUESTS}", 0, REQUESTS),
    knob="The signal, and who gets it",
    settings=(
        _setting(
            "kill-worker",
            "kill -9 to one of two workers",
            _signalled(signal.SIGKILL, to_worker=True),
            1,
            "Its one request is lost, with the connection. All that wait are in the queue of the "
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
            "kill -9 to the only worker, which has six threads",
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
            "closed, and the kernel breaks off the connections that nobody had taken. So a plain "
            "restart loses requests.",
        ),
        _setting(
            "hup-server",
            "kill -HUP to gunicorn itself",
            _signalled(signal.SIGHUP, to_worker=False),
            0,
            "Gunicorn keeps the socket, starts two new workers, and has the old ones end after the "
            "request that they have. So a new version of the app comes without a lost request.",
        ),
    ),
    read=_read,
    picture=Bars("What came of the requests", "Requests, answered and failed", ""),
    after=(
        (
            "In front of gunicorn mostly stands a reverse proxy such as nginx. It speaks HTTPS, "
            "sends static files by itself, and takes slow clients on: it reads a request whole "
            "before a worker gets it, so nobody with a bad connection holds one of few workers. It "
            "can send a request to another server when one does not take it. It also writes down "
            "who asked: for gunicorn the client is the proxy, and X-Forwarded-For has the real one."
        ),
        Snippet("A site of nginx", _NGINX),
        (
            "This dashboard is deployed in the same way: gunicorn app:server in its folder. Rules "
            "of thumb: TERM and never KILL; HUP for a new version; one worker more than there are "
            "processor cores, so that a lost worker is not the only one."
        ),
    ),
    seen_on=("Requests", "Latency"),
)
