"""The writers whose rings the collector drains, and the fate of rings without a writer."""

import math
import os
import time

import numpy as np

from servescope import catalog
from servescope.errors import StoreFullError
from servescope.recording.recorder import Recorder
from servescope.recording.samples import SampleWriter
from servescope.records.metrics import Sample
from servescope.store.query import Aggregation, Query
from tests.collecting.served import BASE, SECOND, seconds, serve, total


def test_a_new_leader_goes_on_where_the_last_one_stopped(store, recorder, collect):
    serve(recorder, 0, 5)
    collect(1)
    serve(recorder, 1, 7)
    serve(recorder, 3, 2)
    collect.start()(5)  # nobody led in between
    found = seconds(store, end=6)
    assert found[:2] == [5.0, 7.0]
    assert found[3:5] == [2.0, 0.0]
    assert math.isnan(found[2])
    assert math.isnan(found[5])


def test_rings_of_the_dead_are_drained_and_deleted(store, folder, collect):
    first = Recorder(folder, capacity=64)
    serve(first, 0.5, 5)
    collect(1)
    serve(first, 1.5, 3)
    first.close()
    collect(2)
    assert list(folder.iterdir()) == []
    collect(3)
    assert store.cursors() == {}
    assert total(store) == {(): 8.0}


def test_the_last_second_of_the_dead_is_waited_for(store, folder, collect):
    first = Recorder(folder, capacity=64)
    serve(first, 0.5, 1)
    serve(first, 1.01, 1)
    first.close()
    collect(1)
    assert [path.suffix for path in folder.iterdir()] == [".ring"]
    collect(2)
    assert list(folder.iterdir()) == []
    assert seconds(store, end=2) == [1.0, 1.0]


def test_killed_after_the_commit_and_before_the_deletion(store, folder, collect, monkeypatch):
    first = Recorder(folder, capacity=64)
    serve(first, 0, 5)
    first.close()
    monkeypatch.setattr("servescope.collecting.rings.RingFolder.commit", lambda *_: None)
    collect(1)
    monkeypatch.undo()
    tick = collect.start()
    tick(2)
    tick(3)
    assert total(store) == {(): 5.0}
    assert list(folder.iterdir()) == []
    assert store.cursors() == {}


def test_flushing_deletes_the_rings_of_the_dead_at_once(store, folder, recorder, collect):
    collect(0)
    serve(recorder, 0, 3)
    collect(1)
    recorder.close()
    collect.collector.flush((BASE + 1) * SECOND + 500_000_000, float(BASE + 1.5))
    assert list(folder.iterdir()) == []
    assert total(store) == {(): 3.0}


def test_a_file_that_is_no_ring_is_passed_over_and_told(store, folder, recorder, collect, caplog):
    (folder / "1.ring").write_bytes(b"nonsense")
    (folder / "notes.txt").write_text("mine")
    serve(recorder, 0)
    assert "1.ring is not a ring" in collect(1).ring_problem
    collect(2)
    assert caplog.text.count("1.ring") == 1
    assert total(store) == {(): 1.0}


def test_the_draft_of_a_killed_writer_is_swept(folder, collect):
    folder.mkdir()
    old, new = folder / "1.ring.new", folder / "2.ring.new"
    for draft in (old, new):
        draft.write_bytes(b"")
    os.utime(old, (time.time() - 120, time.time() - 120))
    collect(1)
    assert not old.exists()
    assert new.exists()


def test_samples_of_other_processes_count_once_whoever_collects(store, folder, collect):
    folder.mkdir()
    writer = SampleWriter(folder / "1.samples")
    for second in range(4):
        writer.write(BASE + second, [gauge(second), said(10.0)])
    collect(3)  # the fourth second is not over
    collect.start()(5)
    writer.write(BASE + 5, [gauge(9), said(1.0), Sample("of.the.future", 1.0)])
    writer.close()
    collect(6)
    collect(7)
    found = store.aggregate(Query(catalog.OPEN_CONNECTIONS, BASE, BASE + 7, 1), Aggregation.AVG)
    values = dict(zip((found.times - BASE).tolist(), found.values[0].tolist(), strict=True))
    assert [values[second] for second in (0, 1, 2, 3, 5)] == [0.0, 1.0, 2.0, 3.0, 9.0]
    messages = store.total(Query(catalog.WEBSOCKET_MESSAGES, BASE, BASE + 9))
    assert messages.count.tolist() == [41.0]
    assert list(folder.iterdir()) == []
    assert store.cursors() == {}


def test_what_a_process_counted_while_it_stood_still_is_no_peak(store, folder, collect):
    folder.mkdir()
    writer = SampleWriter(folder / "1.samples")
    collect(0)
    for second, count in ((0, 10.0), (1, 10.0), (6, 50.0), (7, 10.0), (40, 10.0)):
        if second == 6:
            collect(2)  # and then neither it nor the collector gets any time
        writer.write(BASE + second, [gauge(second), said(count)])
    collect(8)
    collect(41, monotonic_s=BASE + 9.0)
    query = Query(catalog.WEBSOCKET_MESSAGES, BASE, BASE + 41, 1)
    rates = store.aggregate(query, Aggregation.RATE).values[0]
    assert rates[:8].tolist() == [10.0] * 8
    assert np.isnan(rates[8:40]).all(), "a gap stays one"
    assert rates[40] == 10.0
    writer.close()


def test_samples_that_the_store_did_not_take_are_divided_as_if_read_once(
    store, folder, collect, monkeypatch
):
    folder.mkdir()
    writer = SampleWriter(folder / "1.samples")
    collect(0)
    for second, count in ((0, 10.0), (4, 40.0)):
        if second == 4:
            collect(1)
        writer.write(BASE + second, [gauge(second), said(count)])

    def full(_):
        raise StoreFullError("no room left")

    monkeypatch.setattr(store, "write", full)
    assert collect(5).store_problem
    monkeypatch.undo()
    collect(6)
    query = Query(catalog.WEBSOCKET_MESSAGES, BASE, BASE + 5, 1)
    assert store.aggregate(query, Aggregation.RATE).values[0].tolist() == [10.0] * 5
    writer.close()


def gauge(value):
    return Sample(catalog.OPEN_CONNECTIONS, float(value), (("listener", "mine"),))


def said(count):
    labels = (("listener", "mine"), ("network.io.direction", "transmit"))
    return Sample(catalog.WEBSOCKET_MESSAGES, count, labels)
