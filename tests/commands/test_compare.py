"""`python -m servescope compare`: its exit status is a verdict, and nothing else's."""

import json
import signal
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from servescope.errors import LoadRefusedError
from servescope.histogram import BUCKETS
from servescope.load.report import LatencySummary, Stretch
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.run_files.archive import write_archive
from servescope.run_files.document import RunDocument
from servescope.verdicts import comparing
from servescope.verdicts.comparing import PairedComparison
from servescope.verdicts.wording import CAVEAT
from tests.prepared_children import forked_children
from tests.verdicts.test_comparing import result

APP = """
import time

def app(environ, start_response):
    time.sleep({wait_s})
    start_response("{status}", [("Content-Length", "2")])
    return [b"ok"]
"""
BRIEF = ("--rate", 40, "--seconds", 0.25, "--pairs", 5, "--judge", "p50")


@pytest.fixture(scope="module", autouse=True)
def forked_processes():
    """The processes that host an app, and those that send each load, are forked."""
    with forked_children():
        yield


@pytest.fixture
def version(tmp_path):
    """A version of an app in a folder of its own, as a side names it."""

    def write(name, wait_s=0.0, status="200 OK"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "shop.py").write_text(APP.format(wait_s=wait_s, status=status))
        return f"shop:app@{folder}"

    return write


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["http://127.0.0.1:1"], "the following arguments are required: AFTER"),
        (["http://127.0.0.1:1", "http://192.0.2.1:80"], "not this machine"),
        (["http://127.0.0.1:1", "shop:app@/no/such/folder"], "no folder"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--tolerance", "0"], "0 %"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--judge", "p42"], "none of p50, p90"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--judge", "p99", "--rate", "1"], "slowest"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--judge", "none"], "one is judged"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--pairs", "2"], "decide nothing"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--target", "cart"], "'/'"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "-1"], "above 0"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "1e9"], "the rate"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--seconds", "1e6"], "the duration"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2", "--model", "fast"], "invalid choice"),
    ],
    ids=lambda given: " ".join(given[2:]) or str(len(given)) if isinstance(given, list) else "",
)
def test_bad_input_ends_with_2_and_its_reason(run_command, given, reason):
    finished = run_command("compare", *given)
    assert finished.status == 2
    assert reason in finished.err.decode()
    assert finished.out == b""


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("[schedule]\nkind = 'poisson'\nrate = 10\nseconds = 2", ("--rate", 5), "--rate cannot"),
        ("[schedule]\nkind = 'users'\nusers = 2\nthink_seconds = 1\nseconds = 2", (), "closed"),
        ("[schedule]\nkind = 'poisson'\nrate = 10\nseconds = -2", (), "the duration"),
        ("schedule", (), "no TOML"),
    ],
    ids=["and an option", "closed model", "out of bounds", "no TOML"],
)
def test_a_scenario_that_cannot_be_compared_by_is_bad_input(
    run_command, tmp_path, text, options, reason
):
    (tmp_path / "s.toml").write_text(text)
    given = ("http://127.0.0.1:1", "http://127.0.0.1:2", "--scenario", tmp_path / "s.toml")
    finished = run_command("compare", *given, *options)
    assert finished.status == 2
    assert reason in finished.err.decode()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), LoadRefusedError("no process can be started")]
)
def test_a_machine_that_cannot_measure_ends_with_3_never_with_a_verdict(
    run_command, monkeypatch, error
):
    def fail(*_):
        raise error

    monkeypatch.setattr(comparing, "run_on", fail)
    finished = run_command("compare", "http://127.0.0.1:1", "http://127.0.0.1:2")
    assert finished.status == 3
    assert finished.out == b""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_comparison_that_is_ended_tells_what_it_has(run_command, monkeypatch, number, status):
    monkeypatch.setattr(PairedComparison, "check", lambda _: None)
    monkeypatch.setattr(comparing, "run_on", lambda *_: signal.raise_signal(number))
    finished = run_command("compare", "http://127.0.0.1:1", "http://127.0.0.1:2", "--json")
    assert finished.status == status
    told = json.loads(finished.out)
    assert (told["verdict"], told["exit_status"], told["pairs"]) == ("undecided", status, 0)


@pytest.mark.process
def test_an_app_that_cannot_be_hosted_is_bad_input(run_command, tmp_path, version):
    finished = run_command("compare", version("before"), f"shop:app@{tmp_path}", *BRIEF)
    assert finished.status == 2
    assert "No module named 'shop'" in finished.err.decode()


@pytest.mark.process
def test_a_side_that_does_not_answer_as_asked_is_bad_input(run_command, version):
    after = version("after", status="404 Not Found")
    finished = run_command("compare", version("before"), after, *BRIEF)
    assert finished.status == 2
    assert "with status 404" in finished.err.decode()


@pytest.fixture
def server():
    """A server that takes so many seconds for each request, as a side names it."""
    servers = []

    def start(wait_s):
        class Waiting(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                time.sleep(wait_s)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing on standard error."""

        served = ThreadingHTTPServer(("127.0.0.1", 0), Waiting)
        servers.append(served)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{served.server_port}"

    yield start
    for served in servers:
        served.shutdown()
        served.server_close()


@pytest.mark.process
@pytest.mark.timeout(300)  # each pair starts two processes, and a busy machine discards pairs
def test_a_server_that_takes_twice_as_long_is_slower_or_undecided_but_never_faster(
    run_command, server
):
    finished = run_command("compare", server(0.05), server(0.1), *BRIEF, "--json")
    assert finished.status in {1, 3}, finished.err.decode()
    told = json.loads(finished.out)
    assert told["exit_status"] == finished.status
    assert told["verdict"] == {1: "slower", 3: "undecided"}[finished.status]
    assert told["pairs"] + sum(told["discarded_pairs"].values()) > 0
    assert [one["quantile"] for one in told["quantiles"]] in ([], [0.5])
    assert told["stages"] == []  # they are known of apps that are hosted here
    assert "before: server http://127.0.0.1:" in finished.err.decode()
    assert "pair  1 (before first)" in finished.err.decode()


@pytest.mark.process
@pytest.mark.timeout(600)
def test_an_app_and_a_server_can_be_compared_by_a_scenario_and_the_result_is_read_by_people(
    run_command, server, version, tmp_path
):
    schedule = "[schedule]\nkind = 'constant'\nrate = 40\nseconds = 0.25"
    (tmp_path / "s.toml").write_text(f"name = 'a look'\n{schedule}\n[[flows]]\ntarget = '/x'")
    given = ("--scenario", tmp_path / "s.toml", "--judge", "p50", "--tolerance", "1000%")
    finished = run_command("compare", version("before"), server(0.0), *given, "--pairs", 5)
    assert finished.status in {0, 1, 3}, finished.err.decode()
    assert "a look, 40 req/s for 0.25 s on each in turn" in finished.err.decode()
    last = finished.out.decode().splitlines()[-1]
    assert last.split()[0].rstrip(":") in {"NOT", "FASTER", "SLOWER", "UNDECIDED"}


@pytest.fixture
def run_file(tmp_path):
    """Writes the run file of a run whose requests took `ms` milliseconds, more or less."""

    def write(name, ms=20.0, seed=1, host="here", rate=100, seconds=30):
        scenario = Scenario(Poisson(rate, seconds), (Flow((RequestStep(target="/cart"),)),))
        random = np.random.default_rng(seed)
        stretches = tuple(
            Stretch(at, at + 1, 100, LatencySummary.of(of_stretch))
            for at, of_stretch in enumerate(
                (ms * 1e6 * random.lognormal(0, 0.1, (seconds, 100))).astype(np.int64)
            )
        )
        told = replace(result(), stretches=stretches, histogram=[0] * BUCKETS)
        of_leader = told.to_json() | {"unfinished_at_start": 0}
        run = LoadRun(7, LoadPlan("wsgi", scenario), RunState.DONE, 1.0, 2.0, 3.0, {}, of_leader)
        document = RunDocument(run, host, 4.0, without_series="they are older than a day")
        path = tmp_path / f"{name}.servescope"
        path.write_bytes(b"".join(write_archive(document, (), ())))
        return path

    return write


@pytest.mark.parametrize(
    ("ms", "status", "words"),
    [
        (20.0, 0, "NOT SLOWER by more than 5 %, in these two runs, over 30 stretches of 1 s"),
        (26.0, 1, "SLOWER by more than 5 %, in these two runs"),
    ],
    ids=["as-fast", "slower"],
)
def test_two_run_files_are_judged_by_what_they_hold(run_command, run_file, ms, status, words):
    finished = run_command("compare", run_file("before"), run_file("after", ms, seed=2))
    assert finished.status == status, finished.err.decode()
    *_, verdict, caveat = finished.out.decode().splitlines()
    assert verdict.startswith(words)
    assert caveat == CAVEAT
    assert "before: run 7 of here, in " in finished.err.decode()


def test_run_files_of_two_machines_are_undecided_as_json_says(run_command, run_file):
    given = (run_file("before"), run_file("after", 40.0, host="there"))
    finished = run_command("compare", *given, "--json")
    assert finished.status == 3
    told = json.loads(finished.out)
    assert (told["verdict"], told["exit_status"], told["is_of_two_runs"]) == ("undecided", 3, True)
    assert "measured on two machines, here and there" in told["sentence"]


def test_what_no_run_file_is_compared_by_is_bad_input(run_command, run_file, tmp_path):
    (tmp_path / "no.servescope").write_text("no zip")
    before = run_file("before")
    for given, reason in (
        ((before, tmp_path / "no.servescope"), "it is not a zip archive"),
        ((before, tmp_path / "missing.servescope"), "No such file"),
        ((before, run_file("after"), "--rate", 5), "--rate cannot be changed"),
        ((before, run_file("other", rate=50)), "were not asked for the same"),
        ((before, run_file("after"), "--judge", "none"), "at least one quantile is judged"),
        ((before, "http://192.0.2.1:80"), "not this machine"),
    ):
        finished = run_command("compare", *given)
        assert finished.status == 2, given
        assert reason in finished.err.decode()
        assert finished.out == b""


@pytest.mark.process
def test_a_run_file_beside_a_server_gives_it_the_same_load(
    run_command, run_file, server, monkeypatch
):
    monkeypatch.setenv("SERVESCOPE_INSTANCE", "here")
    before = run_file("before", ms=3_000.0, seconds=6)
    finished = run_command("compare", before, server(0.0))
    # A busy machine makes the generator late, and then nothing is judged.
    assert finished.status in {0, 3}, finished.err.decode()
    told = finished.out.decode()
    assert "FASTER, in these two runs, over 6 stretches of 1 s" in told or "UNDECIDED" in told
    assert "/cart, 100 req/s for 6 s on server http://127.0.0.1:" in finished.err.decode()
