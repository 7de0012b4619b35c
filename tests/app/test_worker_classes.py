"""Gunicorn's worker classes, and its ways to replace workers: a working dashboard, or one line."""

import signal

import pytest

from tests.processes import eventually, gunicorn, is_bound

pytestmark = pytest.mark.process


@pytest.mark.parametrize("name", ["gevent", "asgi", "uvicorn.workers.UvicornWorker"])
def test_a_class_that_cannot_run_it_is_refused_in_one_line(start_dashboard, name):
    running = start_dashboard(*gunicorn("-k", name), ready=False)
    assert running.process.wait(60) == 2, running.log
    told = eventually(lambda: [line for line in running.lines if "servescope:" in line])
    assert len(told) == 1
    assert f"worker class {name} cannot run Servescope" in told[0]
    assert "leave -k out" in told[0]
    assert "Traceback" not in running.log
    assert "Booting worker" not in running.log


@pytest.mark.own_interpreter
def test_patched_threads_are_refused_in_one_line(start_dashboard):
    running = start_dashboard("-m", "gevent.monkey", "app.py", ready=False)
    assert running.process.wait(60) == 2, running.log
    eventually(lambda: "gevent has put greenlets in the place of threads" in running.log)
    assert "Traceback" not in running.log


def test_a_single_sync_worker_leads_and_answers(start_dashboard):
    running = start_dashboard(*gunicorn("-k", "sync", "--threads", "1", workers=1))
    assert "Using worker: sync" in running.log
    assert running.get("/")
    assert is_bound(running.port("wsgi"))
    assert running.end() == 0
    assert "Traceback" not in running.log


@pytest.mark.parametrize("is_preloaded", [False, True], ids=["", "preload"])
def test_workers_that_are_replaced_pass_the_lead_on(start_dashboard, is_preloaded):
    options = ["--preload"] if is_preloaded else []
    running = start_dashboard(*gunicorn("--max-requests", "30", *options))
    leader, port = running.leader, running.port("wsgi")

    def leads_anew():
        running.is_healthy()  # a worker that ends may close a connection it has not answered
        return running.leader not in {leader, None}

    eventually(leads_anew)
    eventually(lambda: running.listener("wsgi") and is_bound(running.port("wsgi")))
    assert running.port("wsgi") == port or not is_bound(port)
    if not is_preloaded:
        leader = running.leader
        running.process.send_signal(signal.SIGHUP)
        eventually(leads_anew)
        eventually(lambda: running.listener("wsgi") and is_bound(running.port("wsgi")))
    assert running.end() == 0
    assert "Traceback" not in running.log
