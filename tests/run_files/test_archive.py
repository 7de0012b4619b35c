"""Run files: written and read back, and every way in which a file can be none."""

import io
import json
import struct
import zipfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servescope.control import Control
from servescope.errors import RunFileError
from servescope.load.report import Progress
from servescope.run_files import archive
from servescope.run_files.archive import open_run_file
from servescope.run_files.imported import unpack
from servescope.store.sqlite.store import open_read_only
from tests.measured_runs import HOST, SECONDS, START, exported, frame, measure


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a run file."""
    folder = tmp_path_factory.mktemp("measured")
    return exported(folder, measure(folder))


@pytest.fixture
def members(content):
    """Its members by name, to change and to `pack`."""
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


@pytest.fixture
def pack(tmp_path):
    def packed(members, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "one.servescope"
        with zipfile.ZipFile(path, "w", compression) as zipped:
            for name, data in members.items():
                zipped.writestr(name, data)
        return path

    return packed


def changed(members, **values):
    """The members with parts of `run.json` replaced; a path of names as `run__plan`."""
    document = json.loads(members["run.json"])
    for path, value in values.items():
        *names, last = path.split("__")
        place = document
        for name in names:
            place = place[name]
        place[last] = value
    return members | {"run.json": json.dumps(document).encode()}


def refusal(path, tmp_path):
    """The sentence with which a file is refused."""
    with pytest.raises(RunFileError) as refused:
        unpack(path, tmp_path / "unpacked")
    return str(refused.value)


def test_a_run_file_has_its_members_and_is_the_same_each_time(content, members):
    assert list(members) == ["run.json", "histogram.json", "series.json", "series.parquet"]
    assert content.startswith(b"PK")
    table = pq.read_table(io.BytesIO(members["series.parquet"]))
    assert table.num_rows == sum(
        len(one.gauges) + len(one.counts) + len(one.histograms)
        for one in map(frame, range(START, START + SECONDS + 1))
    )


def test_what_is_read_is_what_was_written(members, pack, tmp_path):
    folder = tmp_path / "unpacked"
    document = unpack(pack(members), folder)
    assert (document.host, document.run.id, document.span) == (HOST, 1, (START, START + 91))
    with closing(open_read_only(folder)) as store:
        found = store.frames(0, 2**33)
    expected = [frame(ts) for ts in range(START, START + SECONDS + 1)]
    assert [one.ts for one in found] == [one.ts for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.gauges, one.counts) == (other.gauges, other.counts)
        assert one.histograms.keys() == other.histograms.keys()
        for key, delta in one.histograms.items():
            assert delta.sum_s == other.histograms[key].sum_s
            assert delta.counts.tolist() == other.histograms[key].counts.tolist()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            "statuses": {"200": 4, "503": 40},
            "status_classes": {"2xx": 4, "5xx": 40},
            "status_classes_per_s": {"2xx": 0.5, "5xx": 20.25},
            "p99_over_s": 3.0,
            "awaited_for_ms": 812.5,
        },
    ],
    ids=["of an older version", "with what its requests came to"],
)
def test_the_last_progress_is_read_as_it_was_written(members, pack, tmp_path, more):
    failed = {"refused": 0, "reset": 1}
    told = Progress(60, 44, failed, 15, 12, 9.0, 20.75, 4.2, None, 0.3, **more)
    written = json.loads(json.dumps(told.to_json()))
    read = unpack(pack(changed(members, run__progress=written)), tmp_path / "unpacked").run.progress
    assert read == written
    assert Progress.from_json(read) == told


def test_a_run_whose_seconds_are_gone_has_a_file_without_series(tmp_path):
    folder = tmp_path / "measured"
    run_id = measure(folder, with_seconds=False)
    path = tmp_path / "one.servescope"
    path.write_bytes(exported(folder, run_id))
    document = unpack(path, tmp_path / "unpacked")
    assert document.without_series.startswith("the seconds of this run are not kept any more")
    assert not (tmp_path / "unpacked").exists()
    with closing(Control(folder)) as control:
        assert document.run.result == control.load_runs.by_id(run_id).result


def test_a_file_that_is_too_large_is_not_opened(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(archive.MOST_BYTES + 1)
    assert "the file has 16,777,217 bytes; a run file has at most 16,777,216" in refusal(
        path, tmp_path
    )


@pytest.mark.parametrize(
    "cut", [0, 30, -30], ids=["nothing", "its first bytes", "all but its last bytes"]
)
def test_a_file_that_was_cut_off_is_none(content, tmp_path, cut):
    path = tmp_path / "cut"
    path.write_bytes(content[:cut])
    assert "not a zip archive, or was cut off" in refusal(path, tmp_path)


@pytest.mark.parametrize(
    "name", ["../run.json", "/etc/passwd", "series.parquet/", "a\\b", "RUN.JSON", "run.json.exe"]
)
def test_a_member_that_no_run_file_has_is_refused_by_its_name(members, pack, tmp_path, name):
    told = refusal(pack(members | {name: b"x"}), tmp_path)
    assert told == f"the archive has a member {name!r}, which no run file has"
    assert list(tmp_path.iterdir()) == [tmp_path / "one.servescope"]


@pytest.mark.parametrize("name", ["run.json", "histogram.json", "series.json", "series.parquet"])
def test_a_member_that_is_missing_is_named(members, pack, tmp_path, name):
    del members[name]
    assert f"the archive lacks {name}" in refusal(pack(members), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_named(members, pack, tmp_path):
    path = pack(members)
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("run.json", members["run.json"])
    assert refusal(path, tmp_path) == "the archive has run.json twice"


def test_a_bomb_is_refused_by_the_size_it_tells(members, pack, tmp_path):
    path = pack(members | {"run.json": bytes(17 * 1024 * 1024)})
    assert path.stat().st_size < 200_000
    assert "run.json unpacks to 17,825,792 bytes; it may have at most" in refusal(path, tmp_path)


def test_a_bomb_that_lies_about_its_size_is_stopped(members, pack, tmp_path):
    path = pack(members | {"histogram.json": b" " * 1_000_000})
    written = bytearray(path.read_bytes())
    for head, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):  # APPNOTE.TXT 4.3.12 and 4.3.7
        place = written.index(b"histogram.json") - (46 if head[2] == 1 else 30)
        if head[2] == 1:
            place = written.rindex(b"histogram.json") - 46
        assert written[place : place + 4] == head
        struct.pack_into("<I", written, place + at, 1000)
    path.write_bytes(written)
    assert "histogram.json is damaged" in refusal(path, tmp_path)


def test_a_byte_that_changed_is_found_by_its_checksum(members, pack, tmp_path):
    path = pack(members, zipfile.ZIP_STORED)
    written = bytearray(path.read_bytes())
    place = written.index(b'"exported_s"')
    written[place + 3] ^= 1
    path.write_bytes(written)
    assert refusal(path, tmp_path) == "run.json is damaged: its checksum does not fit"


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000],
    ids=["nothing", "cut off", "no UTF-8", "too deep"],
)
def test_what_is_no_json_is_named(members, pack, tmp_path, data):
    assert refusal(pack(members | {"run.json": data}), tmp_path) == "run.json is not JSON"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("format", 2, "the file has format 2, and this Servescope reads formats up to 1"),
        ("format", "1", "run.json does not say which format it has"),
        ("host", "", "run.json does not describe a load run: host"),
        ("host", "a\nb", "run.json does not describe a load run: host"),
        ("host", 7, "'7' is no text"),
        ("exported_s", None, "'None' is no time in epoch seconds"),
        ("run__state", "running", "the run is running, not over"),
        ("run__state", "unheard of", "is not a valid RunState"),
        ("run__id", -1, "'-1' is no count"),
        ("run__started_s", float("nan"), "'nan' is no time in epoch seconds"),
        ("run__ended_s", 5.0, "the run ends before it begins"),
        ("run__ended_s", 1_800_000_000.0, "or more than a day later"),
        ("run__plan", {}, "run.json"),
        ("run__plan__listener", 5, "'5' is no text"),
        ("run__plan__scenario__timeout_seconds", 1e9, "the timeout is above 0 and at most 60"),
        ("run__plan__scenario__schedule__kind", "sudden", "run.json lacks 'sudden'"),
        ("run__plan__scenario__schedule__rate", "fast", "run.json does not describe a load run"),
        ("run__result__sent", "many", "'many' is no count"),
        ("run__result__latency_ms__p99", "slow", "'slow' is no number"),
        ("run__result__latency_ms", {}, "run.json lacks 'p50'"),
        ("run__result__failed", [], "'[]' is no object"),
        ("run__result__success_ms", "quick", "'quick' is no object"),
        ("run__result__error_ms", {"p50": "quick"}, "'quick' is no number"),
        ("run__result__never_sent", "few", "'few' is no number"),
        ("run__result__in_flight_mean", "few", "'few' is no number"),
        ("run__progress", {"sent": "x"}, "'x' is no number"),
        ("findings", [{"severity": "dire", "code": "x", "sentence": "x"}], "'dire' is no severity"),
        ("findings", 5, "run.json does not describe a load run"),
        ("environment", [], "'[]' is no object"),
    ],
)
def test_a_document_that_is_not_as_it_should_be_is_refused(
    members, pack, tmp_path, path, value, told
):
    assert told in refusal(pack(changed(members, **{path: value})), tmp_path)
    assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("histogram.json", [], "histogram.json: a histogram does not have 210 counts"),
        ("histogram.json", {"counts": [1]}, "histogram.json: a histogram does not have 210"),
        ("histogram.json", {"counts": [-1] * 210}, "histogram.json: '-1' is no count"),
        ("series.json", {}, "series.json is no list"),
        ("series.json", [{"metric": "x"}], "series.json has an entry that is no series"),
        (
            "series.json",
            [{"metric": "system.cpu.utilization", "kind": "counter", "labels": {}}],
            "series.json has an entry that is no series",
        ),
        ("series.json", [], "a series that series.json does not name"),
    ],
)
def test_other_json_that_is_not_as_it_should_be_is_refused(
    members, pack, tmp_path, name, value, told
):
    path = pack(members | {name: json.dumps(value).encode()})
    assert told in refusal(path, tmp_path)


def parquet(table, **options):
    outlet = io.BytesIO()
    pq.write_table(table, outlet, **options)
    return outlet.getvalue()


def with_column(table, name, values):
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), pa.array(values, table[name].type))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: b"PAR1", "series.parquet is damaged"),
        (lambda table: parquet(table)[:-200] + bytes(200), "series.parquet is damaged"),
        (lambda table: parquet(table.drop_columns(["value"])), "the columns of a run file"),
        (
            lambda table: parquet(
                with_column(table, "time", [(START - 1) * 1000] * table.num_rows)
            ),
            "a time that lies outside of the run",
        ),
        (
            lambda table: parquet(with_column(table, "value", [None] * table.num_rows)),
            "no value where one belongs",
        ),
        (
            lambda table: parquet(with_column(table, "count", [1] * table.num_rows)),
            "a histogram that does not add up",
        ),
        (
            lambda table: parquet(with_column(table, "bucket", [[255]] * table.num_rows)),
            "a histogram that does not add up",
        ),
        (
            lambda table: parquet(
                with_column(table, "bucket_count", [[2**62, 2**62]] * table.num_rows)
            ),
            "a histogram that does not add up",
        ),
    ],
    ids=["empty", "cut off", "a column less", "time", "value", "count", "bucket", "overflow"],
)
def test_a_table_that_is_not_as_it_should_be_is_refused(members, pack, tmp_path, change, told):
    table = pq.read_table(io.BytesIO(members["series.parquet"]))
    path = pack(members | {"series.parquet": change(table)})
    assert told in refusal(path, tmp_path)


def test_a_table_of_too_many_rows_is_refused_unread(members, pack, tmp_path):
    table = pq.read_table(io.BytesIO(members["series.parquet"])).slice(0, 1)
    rows = pa.concat_tables([table] * 100).combine_chunks().take(pa.array([0] * 4_100_000))
    path = pack(members | {"series.parquet": parquet(rows, compression="zstd")})
    assert path.stat().st_size < 1_000_000
    assert "has more than 4,000,000 rows" in refusal(path, tmp_path)


def test_a_metric_of_a_newer_servescope_is_passed_over(members, pack):
    table = pq.read_table(io.BytesIO(members["series.parquet"]))
    metrics = ["not.known.yet"] * table.num_rows
    series = json.loads(members["series.json"])
    renamed = [one | {"metric": "not.known.yet"} for one in series]
    distinct = {json.dumps(one["labels"]): one for one in renamed}
    path = pack(
        members
        | {
            "series.parquet": parquet(with_column(table, "metric", metrics)),
            "series.json": json.dumps(list(distinct.values())).encode(),
        }
    )
    with open_run_file(path) as opened:
        assert [frames for frames in opened.minutes() if frames] == []
