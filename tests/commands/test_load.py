"""`python -m servescope load`: its exit status says how the rules stand, and nothing else."""

import json
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from servescope.commands.load import exit_status
from servescope.commands.terminal import Terminal, latency_bars, progress_line
from servescope.findings.evidence import Evidence, RunEvidence
from servescope.histogram import BUCKETS
from servescope.records.load import RunState
from servescope.scenarios.rules import RuleResult
from servescope.scenarios.rules import RuleState as State

SCENARIO = """
name = "two pages"
rules = ["error rate < 50 %"]

[schedule]
kind = "poisson"
rate = 40
seconds = 0.5

[[flows]]
target = "/one"

[[flows]]
target = "/two?n={n}"
"""


class Answers(BaseHTTPRequestHandler):
    """200 to everything, over kept connections."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def server():
    handler = type("Handler", (Answers,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "the following arguments are required: SCENARIO|URL"),
        (["no-such-file.toml"], "no-such-file.toml cannot be read"),
        (["http://192.0.2.1:80/"], "not this machine"),
        (["http://127.0.0.1:1/ x"], "the target may not hold ' '"),
        (["http://127.0.0.1:1/", "--rule", "fast"], "the rule 'fast' is not understood"),
        (["http://127.0.0.1:1/", "--rule", "b: p50 < 1 s"], "the steps of the mix are: GET /"),
        (["http://127.0.0.1:1/", "--rate", "1e9"], "the rate is above 0 and at most"),
        (["http://127.0.0.1:1/", "--duration", "soon"], "invalid length value: 'soon'"),
        (["http://127.0.0.1:1/", "--duration", "9h"], "the duration is above 0 and at most"),
        (["http://127.0.0.1:1/", "--duration", "0s"], "the duration is above 0 and at most"),
        (["http://127.0.0.1:1/", "--target", "http://127.0.0.1:2"], "the URL names the server"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_bad_input_ends_with_2_and_its_reason(run_command, given, reason):
    finished = run_command("load", *given)
    assert finished.status == 2
    assert reason in finished.err.decode()
    assert finished.out == b""


def test_options_of_a_url_are_refused_beside_a_file(run_command, tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(SCENARIO)
    finished = run_command("load", file, "--rate", 5)
    assert finished.status == 2
    assert "--rate is for a URL: the scenario's file says it" in finished.err.decode()
    finished = run_command("load", file)
    assert finished.status == 2
    assert "does not say where it aims: add --target" in finished.err.decode()


@pytest.mark.process
def test_a_scenario_is_sent_and_summed_up(run_command, tmp_path, server):
    origin, asked = server
    file = tmp_path / "s.toml"
    file.write_text(SCENARIO)
    finished = run_command("load", file, "--target", origin, "--rule", "max < 60 s")
    out = finished.out.decode()
    assert re.search(r"due (\d+)   answered \1   failed 0\b", out)
    assert re.search(r"answered (\d+) [^=]*latency of \1 answers, each from the moment", out)
    # A busy machine may make the generator late, which says nothing about the server.
    assert finished.status in {0, 3}
    word = "unknown" if finished.status else "passed"
    assert f"{word}  error rate < 50 %" in out
    assert f"{word}  max < 60 s" in out
    assert "\x1b" not in out + finished.err.decode()  # no terminal: no colour, no line twice
    assert {path.partition("?")[0] for path in asked} == {"/one", "/two"}


@pytest.mark.process
def test_a_failed_rule_json_and_a_report(run_command, server, tmp_path):
    origin, _ = server
    report = tmp_path / "report.html"
    options = ("--rate", 40, "--duration", "500ms", "--rule", "max < 1 us", "--json")
    finished = run_command("load", f"{origin}/x?y=1", *options, "--report", report)
    html = report.read_text()
    assert "<h1>Load run on " in html
    assert "max &lt; 1 us" in html
    assert "nothing but the load generator measured it" in html
    told = json.loads(finished.out)
    assert told["exit_status"] == finished.status
    assert finished.status in {1, 3}
    assert told["result"]["answered"] == 20
    assert told["result"]["rules"][0]["state"] == "failing"
    assert told["plan"]["scenario"]["flows"][0]["steps"][0]["target"] == "/x?y=1"


RUN = RunEvidence(1, "server x", RunState.DONE, schedule_s=10.0, sent=10, answered=10)
PASSING = RuleResult("p99 < 5 ms", State.PASSING, is_settled=False)
FAILING = RuleResult("p50 < 5 ms", State.FAILING, is_settled=True)
UNKNOWN = RuleResult("max < 5 ms", State.UNKNOWN, is_settled=False)


@pytest.mark.parametrize(
    ("rules", "generator_cpu_ratio", "status"),
    [
        ((), 0.1, 0),
        ((PASSING,), 0.1, 0),
        ((PASSING, FAILING), 0.1, 1),
        ((PASSING, UNKNOWN), 0.1, 1),
        ((PASSING,), 0.99, 3),
        ((FAILING,), 0.99, 3),
    ],
    ids=["no rules", "passed", "failed", "unknown", "passed, limited", "failed, limited"],
)
def test_exit_status(rules, generator_cpu_ratio, status):
    run = replace(RUN, rules=rules, generator_cpu_ratio=generator_cpu_ratio)
    assert exit_status(Evidence(run=run)) == status


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ((PASSING,), 0),
        ((FAILING,), 3),
        ((FAILING, PASSING), 3),
        ((FAILING, UNKNOWN), 1),
        ((FAILING, RuleResult("error rate < 1 %", State.FAILING, is_settled=True)), 1),
    ],
    ids=["passed", "latency", "one of two", "unknown", "errors"],
)
def test_a_late_generator_fails_no_rule_about_latency(rules, status):
    run = replace(RUN, rules=rules, p99_s=0.05, naive_p99_s=0.01, lag_p99_s=0.04)
    assert exit_status(Evidence(run=run)) == status


def test_bars_are_as_long_as_their_share():
    counts = [0] * BUCKETS
    counts[80], counts[81] = 100, 1
    rows = latency_bars(counts, Terminal())
    assert [row.count("#") for row in rows] == [35, 1]
    fine = latency_bars(counts, Terminal(is_terminal=True, columns=100, has_unicode=True))
    assert "█" * 40 in fine[0]
    assert "▏" in fine[1] or "▎" in fine[1] or "▍" in fine[1]


def test_many_buckets_become_few_bars():
    assert len(latency_bars([1] * BUCKETS, Terminal())) <= 12
    assert latency_bars([0] * BUCKETS, Terminal()) == ["No latency was measured."]


def test_progress_is_one_line():
    progress = {
        "elapsed_s": 15.2, "answered": 1_500, "failed": {"refused": 2, "reset": 0},
        "answered_per_s": 99.8, "p99_ms": 12.34, "p99_over_s": 2.001, "in_flight": 8,
    }  # fmt: skip
    line = progress_line(progress, 30, 10, Terminal())
    assert line == (
        "[##########          ] 15 of 30 s  1,500 answered  2 failed  99.8 req/s  "
        "p99, last 2 s: 12.3 ms"
    )
    over = progress | {"elapsed_s": 31.2, "p99_ms": 10_000.0}
    assert progress_line(over, 30, 10, Terminal()).endswith(
        "] all 30 s over, 8 requests under way  1,500 answered  2 failed  99.8 req/s  "
        "p99, last 2 s: >= 10 s"
    )
    refused = progress | {"status_classes": {"2xx": 150, "5xx": 1_350}, "p99_over_s": None}
    assert progress_line(refused, 30, 10, Terminal()).endswith(
        "1,500 answered  1,350 of them 5xx  2 failed  99.8 req/s"
    ), "of too few requests there is no p99"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (114, ["[##########          ] 15 of 30 s", "1,500 answered", "5xx", "failed", "12.3 ms"]),
        (113, ["[####    ] 15 of 30 s", "1,500 answered", "5xx", "failed", "/s", "s: 12.3 ms"]),
        (101, ["[####    ] 15 of 30 s", "1,500 answered", "5xx", "2 failed", "99.8 req/s"]),
        (60, ["[####    ] 15 of 30 s", "1,500 answered", "1,350 of them 5xx"]),
        (20, ["[####    ] 15 of 30 s"]),
    ],
)
def test_progress_leaves_out_whole_what_a_terminal_has_no_room_for(columns, told):
    progress = {
        "elapsed_s": 15.2, "answered": 1_500, "failed": {"refused": 2, "reset": 0},
        "answered_per_s": 99.8, "p99_ms": 12.34, "p99_over_s": 2.001, "in_flight": 8,
        "status_classes": {"2xx": 150, "5xx": 1_350},
    }  # fmt: skip
    terminal = Terminal(is_terminal=True, columns=columns, has_colour=True)
    line = progress_line(progress, 30, 10, terminal)
    plain = re.sub(r"\x1b\[\d+m", "", line)
    assert len(plain) <= max(columns, len(told[0]))
    assert plain.startswith(told[0])
    assert all(text in plain for text in told)
    assert plain.endswith(told[-1])
    assert (
        line.count("\x1b[31m")
        == line.count("\x1b[0m")
        == sum("failed" in one or "5xx" in one for one in told)
    )
