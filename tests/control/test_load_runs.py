"""Desired and actual state: what one process writes, any other reads."""

import threading
from dataclasses import replace

import pytest

from servescope.comparison import ComparisonPlan
from servescope.control.load_runs import NEXT_STATES, Control
from servescope.errors import LoadRefusedError
from servescope.records import (
    AppKind,
    ConcurrencyModel,
    Event,
    EventKind,
    Instance,
    ListenerState,
    ListenerStatus,
    ListenerWish,
    LoadPlan,
    Role,
    RunState,
)

PLAN = LoadPlan("files", "/größe?q=1", rate=50.5, seconds=3, keep_alive=False, seed=7)


@pytest.fixture
def control(tmp_path):
    control = Control(tmp_path)
    yield control
    control.close()


@pytest.fixture
def other(tmp_path):
    other = Control(tmp_path)
    yield other
    other.close()


def listener(name, **more):
    return ListenerStatus(
        name, ListenerState.RUNNING, "127.0.0.1", 8000, "thread_pool", "site", 8000, **more
    )


def test_listeners_are_replaced_as_a_whole_and_keep_their_order(control, other):
    control.write_listeners([listener("wsgi"), listener("files", message="taken by nginx")])
    assert [one.name for one in other.listeners()] == ["wsgi", "files"]
    after = [listener("files", since_s=12.5, is_tls=True), listener("wsgi")]
    control.write_listeners(after)
    assert other.listeners() == after


def test_a_run_goes_from_request_to_result(control, other):
    run_id = other.request_run(PLAN, 100.0)
    run = control.active_run()
    assert (run.id, run.plan, run.state, run.requested_s) == (
        run_id,
        PLAN,
        RunState.REQUESTED,
        100.0,
    )
    control.update_run(run_id, state=RunState.RUNNING, started_s=101.0)
    control.update_run(run_id, progress={"sent": 5})
    assert other.run(run_id).progress == {"sent": 5}
    done = control.update_run(
        run_id, state=RunState.DONE, ended_s=104.0, result={"p99_ms": 1.5}, message="fine"
    )
    assert other.run(run_id) == done
    assert (done.started_s, done.ended_s, done.progress, done.result, done.message) == (
        101.0,
        104.0,
        {"sent": 5},
        {"p99_ms": 1.5},
        "fine",
    )
    assert other.active_run() is None


def test_one_run_at_a_time(control):
    first = control.request_run(PLAN, 1.0)
    with pytest.raises(LoadRefusedError, match=f"load run {first} is requested"):
        control.request_run(PLAN, 2.0)
    control.update_run(first, state=RunState.FAILED)
    assert control.request_run(PLAN, 3.0) == first + 1
    assert [run.id for run in control.runs(10)] == [first + 1, first]
    assert [run.id for run in control.runs(1)] == [first + 1]


def test_many_who_ask_at_once_get_one_run(tmp_path):
    started, refused = [], []

    def ask():
        control = Control(tmp_path)
        try:
            started.append(control.request_run(PLAN, 1.0))
        except LoadRefusedError:
            refused.append(1)
        control.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(started), len(refused)) == (1, 5)


@pytest.mark.parametrize("before", RunState)
@pytest.mark.parametrize("after", RunState)
def test_a_run_changes_state_only_as_the_table_says(control, before, after):
    run_id = control.request_run(PLAN, 1.0)
    paths = {
        RunState.REQUESTED: [],
        RunState.RUNNING: [RunState.RUNNING],
        RunState.STOPPING: [RunState.STOPPING],
    }
    for state in paths.get(before, [RunState.RUNNING, before]):
        control.update_run(run_id, state=state)
    assert control.run(run_id).state is before
    found = control.update_run(run_id, state=after).state
    assert found is (after if after in NEXT_STATES[before] else before)


def test_a_stop_is_kept_though_the_leader_starts_the_run_meanwhile(control, other):
    run_id = control.request_run(PLAN, 1.0)
    assert other.request_stop(run_id, 2.0).state is RunState.STOPPING
    assert control.update_run(run_id, state=RunState.RUNNING).state is RunState.STOPPING


def test_a_run_that_is_over_is_not_stopped(control):
    run_id = control.request_run(PLAN, 1.0)
    control.update_run(run_id, state=RunState.FAILED)
    assert control.request_stop(run_id, 2.0).state is RunState.FAILED


def test_a_run_nobody_asked_for_is_refused(control):
    assert control.run(5) is None
    for change in (lambda: control.request_stop(5, 1.0), lambda: control.update_run(5)):
        with pytest.raises(LoadRefusedError, match="no load run 5"):
            change()


def test_events_that_touch_a_span(control, other):
    moment = Event(EventKind.LEADER, 100.0, "took over")
    span = Event(EventKind.LISTENER, 50.0, "restart", end_s=60.0)
    running = Event(EventKind.LOAD_RUN, 90.0, "run 1")
    numbers = {event.text: control.add_event(event) for event in (moment, span, running)}

    def texts(start, end):
        return [event.text for event in other.events(start, end)]

    assert texts(0, 1000) == ["restart", "run 1", "took over"]
    assert texts(55, 58) == ["restart"]
    assert texts(60.5, 90) == []
    assert texts(100.0, 101.0) == ["run 1", "took over"]
    assert texts(500, 600) == ["run 1"]
    control.end_event(numbers["run 1"], 120.0)
    assert texts(500, 600) == []
    (ended,) = other.events(110, 111)
    assert ended == Event(EventKind.LOAD_RUN, 90.0, "run 1", 120.0, numbers["run 1"])


def test_processes_are_known_by_their_heartbeats(control, other):
    control.beat(11, "follower", 100.0)
    other.beat(10, Role.FOLLOWER, 100.5)
    control.beat(12, Role.LEADER, 101.0)
    assert [(one.pid, one.role) for one in other.instances(102.0)] == [
        (12, Role.LEADER),
        (10, Role.FOLLOWER),
        (11, Role.FOLLOWER),
    ]
    control.beat(11, "leader", 105.0)
    control.beat(11, "leader", 106.0)
    assert other.instances(106.5) == [Instance(11, Role.LEADER, since_s=105.0, seen_s=106.0)]
    control.leave(11)
    assert other.instances(106.5) == []


def test_a_role_nobody_has_is_refused(control):
    with pytest.raises(ValueError, match="boss"):
        control.beat(1, "boss", 1.0)


def test_heartbeats_and_progress_are_no_news_and_changes_are(control, store):
    control.beat(1, "follower", 1.0)
    seen = store.version()
    control.beat(1, "follower", 2.0)
    assert store.version() == seen
    control.beat(1, "leader", 3.0)
    assert store.version() != seen
    seen = store.version()
    run_id = control.request_run(PLAN, 1.0)
    assert store.version() != seen
    seen = store.version()
    control.update_run(run_id, progress={"sent": 1})
    assert store.version() == seen
    control.update_run(run_id, state=RunState.RUNNING)
    assert store.version() != seen


def test_a_plan_of_a_later_version_is_read_as_far_as_it_is_known(control):
    run_id = control.request_run(PLAN, 1.0)
    control._db.write(
        lambda connection: connection.execute(
            "UPDATE load_run SET plan = json_set(plan, '$.burst', 5)"
        )
    )
    assert control.run(run_id).plan == PLAN


def test_listeners_of_a_process_stand_beside_the_leaders_while_it_is_seen(control, other):
    control.write_listeners([listener("wsgi")], now_s=100)
    other.write_listeners([listener("mine")], owner=77, now_s=100)
    assert [one.name for one in control.listeners(now_s=104)] == ["wsgi", "mine"]
    assert [one.name for one in control.listeners(now_s=106)] == ["wsgi"]
    other.see_listeners(77, 106)
    assert [one.name for one in control.listeners(now_s=106)] == ["wsgi", "mine"]
    control.write_listeners([listener("files")], now_s=107)
    assert [one.name for one in other.listeners(now_s=107)] == ["files", "mine"]
    other.write_listeners([], owner=77, now_s=107)
    assert [one.name for one in other.listeners(now_s=107)] == ["files"]


def test_a_wish_is_changed_from_any_process_and_forgotten(control, other):
    assert control.wishes() == {}
    control.change_wish("wsgi", lambda wish: replace(wish, restarts=wish.restarts + 1))
    other.change_wish("wsgi", lambda wish: replace(wish, restarts=wish.restarts + 1))
    other.change_wish("wsgi", lambda wish: replace(wish, deny=("::1",), model="prefork"))
    wish = ListenerWish(restarts=2, deny=("::1",), model=ConcurrencyModel.PREFORK)
    assert control.wishes() == {"wsgi": wish}
    control.forget_wish("wsgi")
    assert other.wishes() == {}


COMPARED = ComparisonPlan(
    (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.PREFORK), "a:b", "/größe", 40, 2.5, 16, "c:d"
)


def test_a_comparison_goes_from_request_to_result(control, other):
    number = control.request_comparison(COMPARED, 1.0)
    asked = other.comparison(number)
    assert (asked.plan, asked.state) == (COMPARED, RunState.REQUESTED)
    assert [(one.model, one.state) for one in asked.contenders] == [
        (ConcurrencyModel.SEQUENTIAL, "waiting"),
        (ConcurrencyModel.PREFORK, "waiting"),
    ]
    other.begin_comparison(number, 2.0)
    done = [replace(one, state="done", app_kind=AppKind.WSGI, series={"second": [0.0, None]})
            for one in asked.contenders]  # fmt: skip
    other.tell_contenders(number, done)
    assert control.active_comparison().contenders == tuple(done)
    other.end_comparison(number, RunState.DONE, 3.0, "fine")
    over = control.comparison(number)
    assert (over.state, over.started_s, over.ended_s, over.message) == ("done", 2.0, 3.0, "fine")
    assert over.is_over
    assert control.active_comparison() is None
    assert control.comparisons(5) == [over]


def test_a_stop_before_the_start_is_not_lost(control):
    number = control.request_comparison(COMPARED, 1.0)
    control.stop_comparison(number)
    control.begin_comparison(number, 2.0)
    assert control.comparison(number).state is RunState.STOPPING
    control.end_comparison(number, RunState.STOPPED, 3.0)
    control.stop_comparison(number)
    assert control.comparison(number).state is RunState.STOPPED


def test_load_and_comparisons_exclude_each_other_but_for_the_comparisons_own_runs(control):
    number = control.request_comparison(COMPARED, 1.0)
    for ask in (control.request_run, control.request_comparison):
        plan = PLAN if ask == control.request_run else COMPARED
        with pytest.raises(LoadRefusedError, match=f"comparison {number} is requested"):
            ask(plan, 2.0)
    first = control.request_run(replace(PLAN, comparison=number), 2.0)
    second = control.request_run(replace(PLAN, comparison=number), 2.0)
    assert [run.id for run in control.active_runs()] == [first, second]
    control.end_comparison(number, RunState.DONE, 3.0)
    with pytest.raises(LoadRefusedError, match=f"load run {first}"):
        control.request_comparison(COMPARED, 4.0)
    for run_id in (first, second):
        control.update_run(run_id, state=RunState.FAILED)
    assert control.request_comparison(COMPARED, 5.0) > number
