"""Planes of many series are kept in sections; files of version 2, which kept them whole, go on."""

import gzip
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Batch
from servescope.store.codec.chunks import SECTION_SERIES, Plane, decode, numbered, numbers_for
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.schema import FILE_NAME, VERSION
from servescope.store.sqlite.store import open_store
from tests.store.sqlite.version_2_history import CPU, END, SENT, SERIES, START, STEP, frames

PACKED = Path(__file__).parent / "data" / "version_2.sqlite3.gz"
HOUR = 3600
FURTHER = START + 2 * HOUR + 5 * STEP


def plane_of(number):
    return Plane(number % len(Plane))


@pytest.fixture
def old(tmp_path):
    """A folder with a store that the code of version 2 wrote."""
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress(PACKED.read_bytes()))
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with two hours and some, the same frames as those of the old file go on."""
    folder = tmp_path_factory.mktemp("two_hours")
    store = open_store(folder)
    for frame in frames(START, FURTHER):
        store.write(Batch([frame]))
    store.close()
    return folder


@pytest.fixture
def filled(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    store = open_store(tmp_path)
    yield store
    store.close()


def execute(store, statement, *values):
    return store._db.write(lambda connection: connection.execute(statement, values).fetchall())


def assert_tells_of(store, end):
    history = list(frames(START, end))
    by = ("cpu.logical_number",)
    told = store.aggregate(Query(CPU_UTILIZATION, START, end, STEP, by=by), Aggregation.AVG)
    assert len(told.groups) == SERIES
    for (number,), values in zip(told.groups, told.values, strict=True):
        assert values.tolist() == [frame.gauges[CPU[int(number)]] for frame in history]
    core = Query(CPU_UTILIZATION, START, end, STEP, where=CPU[69].labels)
    one = store.aggregate(core, Aggregation.MAX)
    assert one.values[0].tolist() == [frame.gauges[CPU[69]] for frame in history]
    sent = store.aggregate(Query(BYTES_SENT, START, end, STEP), Aggregation.SUM)
    assert sent.values[0].tolist() == [sum(frame.counts.values()) for frame in history]
    requests = store.total(Query(REQUEST_DURATION, START, end, by=("http.route",)))
    assert requests.buckets.sum(axis=1).tolist() == [len(history)] * SERIES
    p50 = store.quantiles(Query(REQUEST_DURATION, START, end, STEP, by=("http.route",)), [0.5])
    for (route,), values in zip(p50.groups, p50.values[:, 0], strict=True):
        assert values == pytest.approx(0.001 * (1 + int(route[1:])), rel=0.0434)


def test_a_file_of_version_2_is_read_and_written_on(old):
    store = open_store(old)
    assert_tells_of(store, END)
    for frame in frames(END, FURTHER):
        store.write(Batch([frame]))
    assert_tells_of(store, FURTHER)
    numbers = {number for (number,) in execute(store, "SELECT plane FROM chunk WHERE t0 < ?", END)}
    assert numbers & set(range(len(Plane))), "what was closed before stays whole"
    store.close()
    connection = sqlite3.connect(old / FILE_NAME)
    (version,) = connection.execute(
        "SELECT value FROM meta WHERE key = 'schema_version'"
    ).fetchone()
    connection.close()
    assert version == VERSION


def test_sections_tell_what_was_written(filled):
    assert_tells_of(filled, FURTHER)
    filled.forget_decoded()
    assert_tells_of(filled, FURTHER)


def test_no_chunk_holds_more_series_than_a_section(filled):
    listed = execute(filled, "SELECT plane, data FROM chunk")
    planes = {plane_of(number) for number, _ in listed}
    assert planes >= {Plane.VALUE, Plane.LOWEST, Plane.HIGHEST, Plane.INCREASE, Plane.HIST_BUCKETS}
    for number, blob in listed:
        ids = decode(plane_of(number), blob).ids
        assert ids.size <= SECTION_SERIES
        assert number in numbers_for(plane_of(number), ids)


def test_section_0_of_what_adds_says_that_there_is_no_more(filled):
    """A series that was silent for a whole span has increases of zero in it, and no gap."""
    last = FURTHER + 3 * STEP
    for frame in frames(FURTHER, last):
        few = {key: value for key, value in frame.counts.items() if key == SENT[0]}
        more = {key: value for key, value in frame.counts.items() if key in SENT[1:]}
        kept = few if frame.ts == last - 2 * STEP else {**few, **more}
        filled.write(Batch([type(frame)(frame.ts, frame.gauges, kept, frame.histograms)]))
    query = Query(BYTES_SENT, FURTHER, last, where=SENT[69].labels)
    told = filled.aggregate(query, Aggregation.SUM).values[0]
    assert told[STEP] == 0.0
    assert told[0] > 0.0
    assert np.isnan(told[1])


@pytest.mark.parametrize(
    ("plane", "metric", "label"),
    [
        (Plane.VALUE, CPU_UTILIZATION, "cpu.logical_number"),
        (Plane.INCREASE, BYTES_SENT, "listener"),
    ],
)
def test_a_damaged_section_is_a_gap_of_its_series_only(filled, plane, metric, label):
    ((first,),) = execute(filled, "SELECT min(id) FROM series WHERE name = ?", metric)
    ((last,),) = execute(filled, "SELECT max(id) FROM series WHERE name = ?", metric)
    assert first // SECTION_SERIES < last // SECTION_SERIES
    number = numbered(plane, 1 + last // SECTION_SERIES)
    execute(
        filled,
        "UPDATE chunk SET data = zeroblob(40) WHERE tier = 60 AND plane = ? AND t0 = ?",
        number,
        START,
    )
    agg = Aggregation.AVG if plane is Plane.VALUE else Aggregation.SUM
    names = {}
    for row, name in ((first, "intact"), (last, "damaged")):
        ((labels,),) = execute(filled, "SELECT labels FROM series WHERE id = ?", row)
        names[name] = labels.split('"')[3]
    for name, gaps in (("intact", 0), ("damaged", HOUR // STEP)):
        query = Query(metric, START, START + 2 * HOUR, STEP, where=((label, names[name]),))
        told = filled.aggregate(query, agg).values[0]
        assert np.isnan(told).sum() == gaps
    everything = filled.aggregate(Query(metric, START, START + 2 * HOUR, STEP), agg).values[0]
    assert np.isnan(everything[: HOUR // STEP]).all(), "a part must not pass for the whole"
    assert filled.damaged_spans == 1


def test_retention_drops_every_section(filled):
    assert execute(filled, "SELECT 1 FROM chunk WHERE tier = 1 AND t0 = ?", START)
    later = START + 100 * 86_400
    for ts in (later, later + 60, later + 120, later + 3_600, later + 3_660, later + 3_720):
        filled.write(Batch([next(frames(ts, ts + STEP))]))
    assert not execute(filled, "SELECT 1 FROM chunk WHERE tier = 1 AND t0 = ?", START)
