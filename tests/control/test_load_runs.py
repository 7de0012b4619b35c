"""Load runs: what one process asks for or writes, any other reads."""

import threading

import pytest

from servescope.control import Control
from servescope.control.load_runs import NEXT_STATES
from servescope.errors import LoadRefusedError
from servescope.records.load import RunState
from servescope.records.run_environment import Repository, RunEnvironment


def test_a_run_goes_from_request_to_result(control, other, load_plan):
    run_id = other.load_runs.request(load_plan, 100.0).id
    run = control.load_runs.active()
    assert (run.id, run.plan, run.state, run.requested_s) == (
        run_id,
        load_plan,
        RunState.REQUESTED,
        100.0,
    )
    control.load_runs.update(run_id, state=RunState.RUNNING, started_s=101.0)
    control.load_runs.update(run_id, progress={"sent": 5})
    assert other.load_runs.by_id(run_id).progress == {"sent": 5}
    done = control.load_runs.update(
        run_id, state=RunState.DONE, ended_s=104.0, result={"p99_ms": 1.5}, message="fine"
    )
    assert other.load_runs.by_id(run_id) == done
    assert (done.started_s, done.ended_s, done.progress, done.result, done.message) == (
        101.0,
        104.0,
        {"sent": 5},
        {"p99_ms": 1.5},
        "fine",
    )
    assert other.load_runs.active() is None


def test_one_run_at_a_time(control, load_plan):
    first = control.load_runs.request(load_plan, 1.0).id
    with pytest.raises(LoadRefusedError, match=f"load run {first} is requested"):
        control.load_runs.request(load_plan, 2.0)
    control.load_runs.update(first, state=RunState.FAILED)
    assert control.load_runs.request(load_plan, 3.0).id == first + 1
    assert [run.id for run in control.load_runs.newest(10)] == [first + 1, first]
    assert [run.id for run in control.load_runs.newest(1)] == [first + 1]


def test_many_who_ask_at_once_get_one_run(tmp_path, load_plan):
    started, refused = [], []

    def ask():
        control = Control(tmp_path)
        try:
            started.append(control.load_runs.request(load_plan, 1.0))
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
def test_a_run_changes_state_only_as_the_table_says(control, before, after, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    paths = {
        RunState.REQUESTED: [],
        RunState.RUNNING: [RunState.RUNNING],
        RunState.STOPPING: [RunState.STOPPING],
    }
    for state in paths.get(before, [RunState.RUNNING, before]):
        control.load_runs.update(run_id, state=state)
    assert control.load_runs.by_id(run_id).state is before
    found = control.load_runs.update(run_id, state=after).state
    assert found is (after if after in NEXT_STATES[before] else before)


def test_a_stop_is_kept_though_the_leader_starts_the_run_meanwhile(control, other, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    assert other.load_runs.request_stop(run_id).state is RunState.STOPPING
    assert control.load_runs.update(run_id, state=RunState.RUNNING).state is RunState.STOPPING


def test_a_run_that_is_over_is_not_stopped(control, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    control.load_runs.update(run_id, state=RunState.FAILED)
    assert control.load_runs.request_stop(run_id).state is RunState.FAILED


def test_a_run_nobody_asked_for_is_refused(control):
    assert control.load_runs.by_id(5) is None
    for change in (
        lambda: control.load_runs.request_stop(5),
        lambda: control.load_runs.update(5),
    ):
        with pytest.raises(LoadRefusedError, match="no load run 5"):
            change()


def test_progress_alone_is_no_news_and_a_state_is(control, store, load_plan):
    seen = store.version()
    run_id = control.load_runs.request(load_plan, 1.0).id
    assert store.version() != seen
    seen = store.version()
    control.load_runs.update(run_id, progress={"sent": 1})
    assert store.version() == seen
    control.load_runs.update(run_id, state=RunState.RUNNING)
    assert store.version() != seen


def test_a_plan_of_a_later_version_is_read_as_far_as_it_is_known(control, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    control._database.write(
        lambda connection: connection.execute(
            "UPDATE load_run SET plan = json_set(plan, '$.burst', 5)"
        )
    )
    assert control.load_runs.by_id(run_id).plan == load_plan


def test_the_runs_that_touch_a_span(control, load_plan):
    ids = []
    for started in (100.0, 200.0, 300.0):
        run = control.load_runs.request(load_plan, started)
        control.load_runs.update(run.id, state=RunState.RUNNING, started_s=started)
        ids.append(run.id)
        if started < 300:
            control.load_runs.update(run.id, state=RunState.DONE, ended_s=started + 30)

    def between(start, end, limit=10):
        return [run.id for run in control.load_runs.between(start, end, limit)]

    assert between(0, 1_000) == ids[::-1]
    assert between(0, 1_000, limit=1) == ids[2:]
    assert between(129, 200) == ids[:1]
    assert between(130, 200) == []
    assert between(130, 201) == ids[1:2]
    assert between(400, 500) == ids[2:], "it has not ended"


ENVIRONMENT = RunEnvironment(
    *("0.1.0", "CPython 3.11.7", "Linux 6.1", "x86_64", 2, "shop:app", "wsgi", "thread_pool"),
    *(8, 1, False, None, 90.0),
    repository=Repository("a" * 40, "main", is_dirty=True),
)


def test_a_run_keeps_its_environment_and_the_words_about_it(control, other, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    control.load_runs.update(run_id, state=RunState.RUNNING, environment=ENVIRONMENT)
    control.load_runs.describe(run_id, "before", "größer\nals", ["a", "b c"])
    run = other.load_runs.by_id(run_id)
    assert run.environment == ENVIRONMENT
    assert (run.name, run.note, run.tags) == ("before", "größer\nals", ("a", "b c"))


def test_the_environment_of_a_later_version_is_read_as_far_as_it_is_known(control, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    control.load_runs.update(run_id, environment=ENVIRONMENT)
    control._database.write(
        lambda connection: connection.execute(
            "UPDATE load_run SET environment = json_set(environment, '$.microcode', 5)"
        )
    )
    assert control.load_runs.by_id(run_id).environment == ENVIRONMENT


def test_a_run_that_is_over_is_deleted_and_its_id_never_given_again(control, load_plan):
    run_id = control.load_runs.request(load_plan, 1.0).id
    with pytest.raises(LoadRefusedError, match=f"load run {run_id} is requested: stop it before"):
        control.load_runs.delete(run_id)
    control.load_runs.update(run_id, state=RunState.FAILED)
    assert control.load_runs.delete(run_id).id == run_id
    assert control.load_runs.by_id(run_id) is None
    assert control.load_runs.newest_id() == run_id
    assert control.load_runs.request(load_plan, 2.0).id == run_id + 1
    for change in (
        lambda: control.load_runs.delete(run_id),
        lambda: control.load_runs.describe(run_id, "", "", ()),
    ):
        with pytest.raises(LoadRefusedError, match=f"no load run {run_id}"):
            change()
