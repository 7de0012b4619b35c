"""The page of a run that was opened from a file shows the lines of the machine that measured it."""

from __future__ import annotations

import io
import json
import time

import pytest

from components import live
from servescope.actions import run_files
from servescope.control import Control
from servescope.queries.span import View
from servescope.settings import Settings
from servescope.store.base import Batch, Frame
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.measured_runs import SECONDS, START, exported, measure


@pytest.fixture
def process_on():
    """Makes the process of a dashboard on a folder, whose newest second is this one."""
    opened = []

    def make(folder):
        folder.mkdir(exist_ok=True)
        store, control = open_store(folder), Control(folder)
        opened.extend((store, control))
        return leading_process(store, control, Settings(data_dir=folder))

    yield make
    for one in opened:
        one.close()


def answer_of(process, number, view):
    (page,) = (one for one in live.pages() if one.name == "one-run")
    chosen = (str(number),)
    context, shown = live.shown_by(page, process, View.read(view), chosen)
    return live.answer(page, context, shown, None, chosen)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "view", [{}, {"from": START + 10, "to": START + 40}], ids=["whole", "zoomed"]
)
def test_each_graph_of_an_opened_run_is_that_of_the_machine_that_measured_it(
    process_on, tmp_path, view
):
    there = process_on(tmp_path / "there")
    number = measure(tmp_path / "there")
    here = process_on(tmp_path / "here")
    here.home.store.write(Batch([Frame(int(time.time()), {}, {}, {})]))
    file = io.BytesIO(exported(tmp_path / "there", number))
    run = run_files.open_run_file(here.control.load_runs, tmp_path / "here", file)
    theirs, ours = answer_of(there, number, view), answer_of(here, run.id, view)
    assert ours["span"] == theirs["span"]
    assert json.dumps(ours["graphs"]) == json.dumps(theirs["graphs"])
    drawn = [name for name, graph in ours["graphs"].items() if graph["figure"].get("data")]
    assert {"one-run-rates", "one-run-latency", "one-run-stages", "one-run-cpu"} <= set(drawn)
    assert ours["props"]["one-run-graphs"]["style"] == {"display": "block"}
    assert ours["newest"] >= START + SECONDS  # of this dashboard: it is current
    assert ours["events"] == []
