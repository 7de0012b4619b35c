"""Verdicts carried out by real generators on real servers: pairs, stages, a stop, no leftovers."""

from __future__ import annotations

import os
import socket
import threading
import time
from functools import partial

import pytest

from servescope import catalog, histogram
from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_WSGI
from servescope.records.listeners import ConcurrencyModel, ListenerState, ListenerStatus
from servescope.records.load import RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.records.server_kinds import ServerKind
from servescope.records.verdicts import JudgedSide, VerdictPlan
from servescope.runtime.verdicts import VerdictReconciler
from servescope.settings import Settings
from servescope.statistics.sequential_verdict import Side
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.named_server import named_server
from tests.processes import children
from tests.waiting import eventually

# At least six pairs of runs (fewer decide nothing), each with a generator of its own.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("forked_processes")]

SECONDS = 240
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POOL = JudgedSide(model=ConcurrencyModel.THREAD_POOL, app=BUNDLED_WSGI)
LOOP = JudgedSide(model=ConcurrencyModel.ASYNCIO, app=BUNDLED_ASGI)


def plan(before=POOL, after=LOOP, target="/whoami", **schedule):
    scenario = Scenario(
        Poisson(**{"rate": 40, "seconds": 0.5} | schedule), (Flow((RequestStep(target=target),)),)
    )
    return VerdictPlan(before, after, scenario, tolerance=10.0, most_pairs=6)


@pytest.fixture
def verdicts(tmp_path, control):
    """Makes the reconciler; `unfinished` counts the requests that a listener has."""
    store, made = open_store(tmp_path / "store"), []
    # Nobody collects here: a second to come spares each run the wait for its last one.
    store.write(Batch([Frame(int(time.time()) + 600)]))

    def make(unfinished=lambda _listener: None, load_hosts="", **more):
        settings = Settings(data_dir=tmp_path, load_hosts=load_hosts, **more)
        made.append(VerdictReconciler(control, store, settings, unfinished))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    store.close()


@pytest.fixture
def listener(control):
    """A server that answers each connection's requests on a thread; the listener `plain`."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    control.listeners.write_statuses(
        [
            ListenerStatus(
                "plain", ListenerState.RUNNING, "127.0.0.1", port,
                ConcurrencyModel.THREAD_POOL, "a:b", port,
            )
        ]
    )  # fmt: skip

    def answer(connection):
        with connection:
            while connection.recv(65_536):
                connection.sendall(ANSWER)

    def accept():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield "plain"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def carry_out(control, reconciler, asked):
    number = control.verdicts.request(asked, time.time()).id

    def is_over():
        reconciler.reconcile()
        found = control.verdicts.by_id(number)
        return found if found.is_over else None

    return eventually(is_over, SECONDS)


def test_two_models_of_an_app_get_processes_of_their_own_and_leave_nothing(control, verdicts):
    before = set(children(os.getpid()))  # other tests of this process may have left some
    reconciler = verdicts()
    number = control.verdicts.request(plan(), time.time()).id

    def has_a_pair():
        reconciler.reconcile()
        result = control.verdicts.by_id(number).result
        return result and result["pairs"] + sum(result["discarded_pairs"].values())

    eventually(has_a_pair, SECONDS)
    control.verdicts.request_stop(number)
    over = eventually(partial(_over, control, number), SECONDS)
    assert (over.state, over.message) == (RunState.STOPPED, "")
    if over.pairs:  # on a busy machine the generator may be late in each
        assert [one["quantile"] for one in over.result["quantiles"]] == [0.5, 0.9]
        assert set(over.result["histograms"]) == set(Side)
        stages = {one["stage"]: one for one in over.result["stages"]}
        assert stages["app"]["before_ms"] > 0
    assert reconciler.pids() == []
    eventually(lambda: before.issuperset(children(os.getpid())), SECONDS)
    (event,) = control.events.between(0, 2**32)
    assert event.text == (
        f"verdict {number}: thread pool with flask_app:app and asyncio with asgi_app:app"
    )
    assert event.end_s is not None
    assert control.load_runs.newest(1) == []


def test_a_listener_is_judged_once_it_has_answered_what_it_had(control, verdicts, listener):
    asked = []

    def unfinished(name):
        asked.append(name)
        return len(asked) % 2  # one is answered meanwhile, each time

    over = carry_out(control, verdicts(unfinished), plan(*[JudgedSide(listener)] * 2, target="/"))
    assert (over.state, over.message) == (RunState.DONE, "")
    runs = 2 * (
        1 + over.pairs + sum(over.result["discarded_pairs"].values())
    )  # both sides in the check, then pairs
    assert asked == [listener] * 2 * runs
    assert over.result["stages"] == [], "nothing is in the store of these seconds"


def test_a_host_that_the_operator_named_is_judged_beside_a_listener(control, verdicts, listener):
    asked = []
    with named_server(host="127.0.0.2", address="127.0.0.2") as origin:
        host = JudgedSide(host=NamedHost(origin, "127.0.0.2"))
        reconciler = verdicts(asked.append, load_hosts=origin)
        over = carry_out(control, reconciler, plan(JudgedSide(listener), host, target="/"))
    assert (over.state, over.message) == (RunState.DONE, "")
    assert over.pairs + sum(over.result["discarded_pairs"].values()) >= 6
    assert over.plan.after == host
    assert over.result["stages"] == [], "of a server elsewhere no stage is known"
    assert set(asked) == {listener}, "nobody here knows what a server elsewhere has in hand"


def test_an_address_that_the_name_must_not_lead_to_is_refused_when_it_runs(control, verdicts):
    host = JudgedSide(host=NamedHost("http://a.test", "169.254.169.254"))
    over = carry_out(control, verdicts(load_hosts="http://a.test"), plan(after=host))
    assert over.state is RunState.FAILED
    assert "leads to 169.254.169.254, a link-local address" in over.message


def test_a_stop_ends_it_while_a_server_is_waited_for_and_keeps_its_pairs(
    control, verdicts, listener
):
    reconciler = verdicts(lambda _listener: 1)
    number = control.verdicts.request(plan(JudgedSide(listener)), time.time()).id
    reconciler.reconcile()
    eventually(lambda: control.verdicts.by_id(number).state is RunState.RUNNING, SECONDS)
    control.verdicts.request_stop(number)
    over = eventually(partial(_over, control, number), SECONDS)
    assert (over.state, over.pairs) == (RunState.STOPPED, 0)


def _over(control, number):
    found = control.verdicts.by_id(number)
    return found if found.is_over else None


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ({"after": JudgedSide("nobody")}, "there is no listener or app 'nobody' here"),
        ({"after": JudgedSide(model=ConcurrencyModel.ASYNCIO, app="os:system")}, "SERVESCOPE_APPS"),
        ({"before": JudgedSide(model=ConcurrencyModel.PREFORK, app=BUNDLED_ASGI)}, "event loop"),
        ({"target": "/missing"}, "fails"),
    ],
    ids=["no-such-listener", "app-that-may-not-be-hosted", "model-that-cannot", "only-errors"],
)
def test_what_cannot_be_judged_fails_with_the_reason(control, verdicts, sides, reason):
    over = carry_out(control, verdicts(), plan(**sides))
    assert over.state is RunState.FAILED
    assert reason in over.message


def test_the_next_leader_ends_what_a_dead_one_left(control, verdicts):
    number = control.verdicts.request(plan(), time.time()).id
    control.verdicts.begin(number, time.time())
    verdicts().abandon_orphans()
    over = control.verdicts.by_id(number)
    assert (over.state, over.message) == (RunState.FAILED, "The process that ran it ended.")


@pytest.mark.parametrize(
    ("kind", "stages"),
    [
        (ServerKind.APP, {"app": 20.0, "body": 0.0}),
        (ServerKind.LISTENER, {"read": 0.0, "queue": 0.0, "app": 20.0, "body": 0.0, "write": 0.0}),
    ],
)
def test_a_stage_that_a_recorder_cannot_measure_is_none_of_a_run(verdicts, kind, stages):
    reconciler, second = verdicts(), int(time.time())
    durations = {"kernel": 0.0, "read": 0.0, "queue": 0.0, "app": 0.02, "body": 0.0, "write": 0.0}
    of_stages = {
        SeriesKey(catalog.STAGE_DURATION, (("listener", "shop"), ("stage", stage))): HistogramDelta(
            histogram.count([duration]), duration
        )
        for stage, duration in durations.items()
    }
    reconciler._store.write(Batch([Frame(second, histograms=of_stages)]))
    assert reconciler._stages_between("shop", kind, second, second) == pytest.approx(stages)


@pytest.mark.parametrize(
    ("pins", "core", "pinned"),
    [(True, 1, 1), (True, None, None), (False, 1, None)],
    ids=["beside a pinned listener", "beside one that is not pinned", "without pinning"],
)
def test_a_model_is_pinned_where_the_listener_beside_it_is(verdicts, pins, core, pinned):
    assert verdicts(pin_cpu=pins)._app(POOL, core).spec.options.pin_core == pinned
