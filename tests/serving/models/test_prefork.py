"""Worker processes: they share the work, are replaced when they die, and outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect

from servescope import catalog
from servescope.recording.recorder import Recorder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import RunningListener, start_listener
from servescope.serving.models.prefork import Prefork
from servescope.serving.workers.order import WorkerOrder
from tests.serving.raw_client import CLOSING, exchange
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[3]
SPEC = ListenerSpec(
    name="forked",
    address="127.0.0.1",
    port=0,
    model=ConcurrencyModel.PREFORK,
    app_kind=AppKind.WSGI,
    app="tests.contracts.app_for_models:app",
    options=ListenerOptions(threads=1, workers=2, pin_core=0, deny=("192.0.2.1",)),
)
ON_A_LOOP = replace(
    SPEC,
    name="reloaded",
    model=ConcurrencyModel.ASYNCIO,
    app_kind=AppKind.ASGI,
    app="servescope.demo.asgi_app:app",
    options=ListenerOptions(reload=True),
)
PARENT = """
import sys, time
from pathlib import Path
from servescope.recording.recorder import Recorder
from servescope.serving import start_listener
from servescope.serving.workers.order import WorkerOrder
spec = WorkerOrder.from_line(sys.stdin.buffer.readline()).spec
listener = start_listener(spec, Recorder(Path(sys.argv[1])))
print(listener.address[1], flush=True)
time.sleep(60)
"""


def model_of(listener: RunningListener) -> Prefork:
    assert isinstance(listener._model, Prefork)
    return listener._model


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def served_by(listener: RunningListener) -> int:
    answer = exchange(listener, CLOSING.replace(b"/ ", b"/pid "))
    return int(answer.rpartition(b"\r\n\r\n")[2])


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[RunningListener]:
    recorder = Recorder(tmp_path, capacity=2**10)
    listener = start_listener(SPEC, recorder)
    yield listener
    listener.stop(1)
    recorder.close()


def test_no_collection_of_garbage_walks_over_the_app(listener: RunningListener):
    asked = CLOSING.replace(b"/ ", b"/is-collected ")
    eventually(lambda: exchange(listener, asked).endswith(b"\r\n\r\nFalse"))


def test_an_order_survives_the_pipe():
    order = WorkerOrder(SPEC, 7, "/rings", ["/a", "/b"])
    assert WorkerOrder.from_line(order.to_line()) == order


def test_several_processes_answer_each_on_its_core(
    listener: RunningListener, wait_until: Callable[..., None]
):
    seen: set[int] = set()
    wait_until(lambda: seen.add(served_by(listener)) or len(seen) == 2, "both workers")
    assert seen == set(model_of(listener).pids)
    assert os.getpid() not in seen

    def pinned() -> list[set[int]]:
        threads = [task for pid in seen for task in Path(f"/proc/{pid}/task").iterdir()]
        affinities = [os.sched_getaffinity(int(task.name)) for task in threads]
        return [cores for cores in affinities if len(cores) == 1]

    wait_until(lambda: len(pinned()) >= 4, "two pinned threads in each")
    assert {0} in pinned()


def test_a_worker_that_dies_is_replaced_and_counted(
    listener: RunningListener, wait_until: Callable[..., None]
):
    victim = served_by(listener)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: listener.load().replaced_workers == 1, "the count")
    wait_until(lambda: len(model_of(listener).pids) == 2, "the replacement")
    assert victim not in model_of(listener).pids
    for _ in range(10):
        assert served_by(listener) != victim


def test_a_process_that_takes_the_place_of_another_goes_on_with_its_counts(
    tmp_path: Path, wait_until: Callable[..., None]
):
    recorder = Recorder(tmp_path, capacity=2**10)
    listener = start_listener(ON_A_LOOP, recorder)
    told: Counter[str] = Counter()
    least: Counter[str] = Counter()
    names = set()

    def tell() -> Counter[str]:
        for sample in listener.samples():
            names.add(sample.metric)
            told[sample.metric] += sample.value
            least[sample.metric] = min(least[sample.metric], sample.value)
        return told

    def converse() -> None:
        with connect(f"ws://127.0.0.1:{listener.address[1]}/ws/echo") as talk:
            talk.send("hello")
            assert talk.recv() == "hello"

    converse()
    wait_until(lambda: tell()[catalog.WEBSOCKETS_CLOSED] == 1, "the report of the first")
    (victim,) = model_of(listener).pids
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: model_of(listener).pids not in ([], [victim]), "the replacement")
    converse()
    wait_until(lambda: tell()[catalog.WEBSOCKETS_CLOSED] == 2, "the report of the second")
    assert told[catalog.WEBSOCKET_MESSAGES] == 4
    assert told[catalog.NEW_CONNECTIONS] == 2
    assert min(least.values()) == 0, "a counter never decreases"
    assert not names & {catalog.BUSY_THREADS, catalog.QUEUED_REQUESTS}, "a loop has no threads"
    listener.stop(1)
    recorder.close()


def test_no_process_is_left_after_the_stop(listener: RunningListener):
    served_by(listener)
    pids = model_of(listener).pids
    listener.stop(1)
    assert not any(is_alive(pid) for pid in pids)


def test_a_stop_before_the_workers_serve(tmp_path: Path):
    recorder = Recorder(tmp_path, capacity=2**10)
    listener = start_listener(replace(SPEC, name="brief"), recorder)
    pids = model_of(listener).pids
    began = time.monotonic()
    listener.stop(60)
    assert time.monotonic() - began < 45, "they heard of it, and were not killed after the grace"
    assert not any(is_alive(pid) for pid in pids)
    assert listener.load().replaced_workers == 0
    recorder.close()


def test_the_workers_end_with_a_parent_that_is_killed(
    tmp_path: Path, wait_until: Callable[..., None]
):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(WorkerOrder(SPEC, 0, "", []).to_line())
        parent.stdin.flush()
        parent.stdout.readline()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        threads = Path(f"/proc/{parent.pid}/task")

        def workers() -> list[int]:
            lists = [(task / "children").read_text().split() for task in threads.iterdir()]
            return [int(pid) for pids in lists for pid in pids]

        assert children.exists()
        wait_until(lambda: len(workers()) == 2, "the workers")
        pids = workers()
        parent.kill()
        began = time.monotonic()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "the workers' end")
        assert time.monotonic() - began < 30  # on a busy machine an interpreter starts meanwhile
