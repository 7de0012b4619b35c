"""Run files as they are opened: a run joins the list whole, or nothing of it stays."""

import io
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from servescope import catalog
from servescope.actions import run_files
from servescope.control import Control
from servescope.errors import LoadRefusedError, RunFileError
from servescope.queries import load, runs
from servescope.queries.run_data import run_context, run_series, whole_span
from servescope.run_files.archive import MOST_BYTES
from servescope.run_files.imported import FOLDER, remove_series, store_folder
from servescope.settings import Settings
from servescope.store.query import Aggregation
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.measured_runs import HOST, SECONDS, START, exported, measure
from tests.prepared_children import forked_children


@pytest.fixture(scope="module", autouse=True)
def forked_readers():
    """The process that opens a file is forked; tests/app/test_run_files.py starts it."""
    with forked_children("servescope.run_files.imported", "pandas", "pyarrow.parquet"):
        yield


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A data folder with a run, and the run's number."""
    folder = tmp_path_factory.mktemp("measured")
    return folder, measure(folder)


@pytest.fixture
def there(measured):
    """The context of the host that measured the run."""
    folder, _ = measured
    with closing(open_store(folder)) as store, closing(Control(folder)) as control:
        yield leading_process(store, control, Settings(data_dir=folder))


@pytest.fixture
def here(tmp_path):
    """The context of another host, which has measured nothing."""
    with closing(open_store(tmp_path)) as store, closing(Control(tmp_path)) as control:
        yield leading_process(store, control, Settings(data_dir=tmp_path))


@pytest.fixture(scope="module")
def content(measured):
    """The bytes of the run's file."""
    return exported(*measured)


def opened(process, content):
    folder = process.settings.data_dir
    return run_files.open_run_file(process.control.load_runs, folder, io.BytesIO(content))


def test_the_run_of_a_file_is_the_one_that_was_measured(there, here, measured, content):
    original = there.control.load_runs.by_id(measured[1])
    run = opened(here, content)
    assert here.control.load_runs.newest(9) == [run]
    assert (run.origin.host, run.origin.run_id) == (HOST, original.id)
    assert replace(run, id=original.id, origin=None) == original


def test_each_figure_of_its_series_is_the_same_bit_for_bit(there, here, measured, content):
    original = there.control.load_runs.by_id(measured[1])
    run = opened(here, content)
    theirs, ours = run_context(there.home, original).store, run_context(here.home, run).store
    span = whole_span(original)
    assert (span.end - span.start, span.step) == (SECONDS + 1, 1)
    for metric in catalog.BY_NAME.values():
        assert theirs.series(metric.name) == ours.series(metric.name)
        query = span.query(metric.name, by=metric.labels, comparisons=True)
        aggregations = {
            catalog.Kind.GAUGE: (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX),
        }.get(metric.kind, (Aggregation.SUM, Aggregation.RATE))
        for asked in (query, replace(query, by=())):
            for aggregation in aggregations:
                one, other = (store.aggregate(asked, aggregation) for store in (theirs, ours))
                assert one.groups == other.groups
                np.testing.assert_array_equal(one.values, other.values)
            if metric.kind is catalog.Kind.HISTOGRAM:
                one, other = (store.quantiles(asked, (0.5, 0.99)) for store in (theirs, ours))
                np.testing.assert_array_equal(one.values, other.values)
                one, other = (store.mean(asked) for store in (theirs, ours))
                np.testing.assert_array_equal(one.values, other.values)
                one, other = (store.total(asked) for store in (theirs, ours))
                np.testing.assert_array_equal(one.buckets, other.buckets)
                np.testing.assert_array_equal(one.count, other.count)


def test_a_report_a_file_and_a_result_of_it_are_those_of_the_host_that_measured_it(
    here, measured, content
):
    run = opened(here, content)
    folder = here.settings.data_dir
    assert exported(folder, run.id, instance="host-b") == content
    for form in ("html", "csv"):
        assert exported(folder, run.id, form, "host-b") == exported(*measured, form)


def test_nothing_that_was_measured_here_meets_it(here, content):
    run = opened(here, content)
    assert here.home.store.bounds() is None
    assert here.home.store.series(catalog.REQUEST_DURATION) == []
    assert load.runs_in(here.home, whole_span(run)) == []
    assert load.runs(here.home) == [run]
    context = run_context(here.home, run)
    assert (context.host, context.is_home) == (HOST, False)
    assert load.latencies(context, whole_span(run)).times.size


def test_a_run_that_is_here_already_is_refused_and_stays(here, content):
    run = opened(here, content)
    with pytest.raises(LoadRefusedError, match=f"^run 1 of {HOST} is here already, as load run 1"):
        opened(here, content)
    assert here.control.load_runs.newest(9) == [run]
    assert run_context(here.home, run).store.bounds() == (START, START + SECONDS)
    assert len(list((here.settings.data_dir / FOLDER).iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a zip archive"),
        (b"PK\x03\x04" + bytes(100), "not a zip archive"),
        (bytes(MOST_BYTES + 1), f"more than {MOST_BYTES:,} bytes"),
    ],
    ids=["nothing", "no archive", "too large"],
)
def test_nothing_stays_of_what_is_no_run_file(here, content, told):
    with pytest.raises(RunFileError, match=told):
        opened(here, content)
    assert here.control.load_runs.newest(9) == []
    assert list((here.settings.data_dir / FOLDER).iterdir()) == []


def test_nothing_stays_of_a_file_whose_series_are_damaged(here, content):
    damaged = bytearray(content)
    place = content.rindex(b"PAR1", 0, content.rindex(b"PK\x01\x02"))
    damaged[place - 2_000] ^= 1
    with pytest.raises(RunFileError, match=r"series\.parquet is damaged"):
        opened(here, bytes(damaged))
    assert here.control.load_runs.newest(9) == []
    assert list((here.settings.data_dir / FOLDER).iterdir()) == []


def test_what_an_import_left_that_was_killed_is_replaced(here, content):
    run = opened(here, content)
    with closing(Control(here.settings.data_dir)) as control:
        control._database.write(lambda connection: connection.execute("DELETE FROM load_run"))
    again = opened(here, content)
    assert again.id == run.id + 1
    assert run_context(here.home, again).store.bounds() == (START, START + SECONDS)


def test_there_is_a_most_of_imported_runs(here, content, monkeypatch):
    monkeypatch.setattr(run_files, "MOST_IMPORTED", 1)
    opened(here, content)
    with pytest.raises(RunFileError, match="there are 1 runs of other machines here, the most"):
        opened(here, content)


def test_without_its_series_a_run_has_no_context_and_its_report_says_so(here, content):
    run = opened(here, content)
    remove_series(here.settings.data_dir, run.origin)
    assert not store_folder(here.settings.data_dir, run.origin).exists()
    assert run_context(here.home, run) is None
    report = exported(here.settings.data_dir, run.id, "html").decode()
    assert "The file that this run came from had no series." in report


def test_its_page_has_the_figures_of_the_server_that_was_measured(there, here, measured, content):
    original = there.control.load_runs.by_id(measured[1])
    run = opened(here, content)
    ours = runs.server_figures(here.home, run)
    assert ours.requests == 120 * (SECONDS + 1)
    assert ours.quantiles_s == runs.server_figures(there.home, original).quantiles_s
    assert [row.stage for row in runs.stages(here.home, run)] == [
        row.stage for row in runs.stages(there.home, original)
    ]
    remove_series(here.settings.data_dir, run.origin)
    assert runs.server_figures(here.home, run) is None
    assert list(runs.stages(here.home, run)) == []


def test_its_figures_are_those_of_the_span(here, content):
    run = opened(here, content)
    series = run_series(run_context(here.home, run), run)
    assert series.server_requests == 120 * (SECONDS + 1)
    assert series.server_mean_s == pytest.approx(runs.server_figures(here.home, run).mean_s)
    assert series.rates.names[0] == "generator: finished"
    np.testing.assert_array_equal(series.rates.values[0], np.full(SECONDS + 1, 120.0))
    assert series.cores.names == ("core 0", "core 1")
    assert series.accept_queues.names == ("port 8000",)
