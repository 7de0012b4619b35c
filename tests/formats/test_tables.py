"""The bytes that a person gets are these, and an export is written as it is read."""

import csv
import io
import json
import struct

import numpy as np
import pyarrow.parquet as pq
import pytest

from servescope.catalog import BY_NAME, CPU_UTILIZATION, NETWORK_IO
from servescope.formats.tables import COLUMNS, FORMATS, write_csv, write_json, write_parquet
from servescope.queries.export import Rows

TIMES = np.array([1_700_000_000, 1_700_000_010, 1_700_000_020])
CORE = Rows(
    BY_NAME[CPU_UTILIZATION], "1", "avg", TIMES, [(("cpu.logical_number", "0"),)],
    np.array([[0.1 + 0.2, np.nan, 1e-5]]),
)  # fmt: skip
STRANGE = Rows(
    BY_NAME[NETWORK_IO], "By", "increase", TIMES, [(), (("network.interface.name", 'a"b,\né'),)],
    np.array([[1e16, -0.0, 123456789012345680], [0, np.nan, 1500]]),
)  # fmt: skip
NOTHING = Rows(BY_NAME[NETWORK_IO], "By", "increase", TIMES, [], np.empty((0, 3)))
GAPS = Rows(BY_NAME[NETWORK_IO], "By", "increase", TIMES, [()], np.full((1, 3), np.nan))

CSV = (
    b"time,metric,unit,labels,statistic,value\r\n"
    b'2023-11-14T22:13:20Z,system.cpu.utilization,1,"{""cpu.logical_number"":""0""}",avg,'
    b"0.30000000000000004\r\n"
    b'2023-11-14T22:13:40Z,system.cpu.utilization,1,"{""cpu.logical_number"":""0""}",avg,1e-05\r\n'
    b"2023-11-14T22:13:20Z,system.network.io,By,{},increase,1e+16\r\n"
    b"2023-11-14T22:13:30Z,system.network.io,By,{},increase,-0.0\r\n"
    b"2023-11-14T22:13:40Z,system.network.io,By,{},increase,1.2345678901234568e+17\r\n"
    b'2023-11-14T22:13:20Z,system.network.io,By,"{""network.interface.name"":""a\\""b,\\n\xc3\xa9""'
    b'}",increase,0.0\r\n'
    b'2023-11-14T22:13:40Z,system.network.io,By,"{""network.interface.name"":""a\\""b,\\n\xc3\xa9""'
    b'}",increase,1500.0\r\n'
)
JSON = (
    b'[\n{"time":"2023-11-14T22:13:20Z","metric": "system.cpu.utilization", "unit": "1",'
    b'"labels":{"cpu.logical_number":"0"},"statistic":"avg","value":0.30000000000000004},\n'
    b'{"time":"2023-11-14T22:13:40Z","metric": "system.cpu.utilization", "unit": "1",'
    b'"labels":{"cpu.logical_number":"0"},"statistic":"avg","value":1e-05},\n'
    b'{"time":"2023-11-14T22:13:20Z","metric": "system.network.io", "unit": "By",'
    b'"labels":{},"statistic":"increase","value":1e+16},\n'
    b'{"time":"2023-11-14T22:13:30Z","metric": "system.network.io", "unit": "By",'
    b'"labels":{},"statistic":"increase","value":-0.0},\n'
    b'{"time":"2023-11-14T22:13:40Z","metric": "system.network.io", "unit": "By",'
    b'"labels":{},"statistic":"increase","value":1.2345678901234568e+17},\n'
    b'{"time":"2023-11-14T22:13:20Z","metric": "system.network.io", "unit": "By",'
    b'"labels":{"network.interface.name":"a\\"b,\\n\xc3\xa9"},"statistic":"increase","value":0.0},\n'
    b'{"time":"2023-11-14T22:13:40Z","metric": "system.network.io", "unit": "By",'
    b'"labels":{"network.interface.name":"a\\"b,\\n\xc3\xa9"},"statistic":"increase",'
    b'"value":1500.0}\n]\n'
)


@pytest.mark.parametrize(("write", "written"), [(write_csv, CSV), (write_json, JSON)])
def test_the_text_formats_are_written_to_the_byte(write, written):
    assert b"".join(write([CORE, NOTHING, GAPS, STRANGE])) == written


@pytest.mark.parametrize("parts", [[], [NOTHING], [GAPS]])
def test_no_row_is_a_header_and_an_empty_array(parts):
    assert b"".join(write_csv(parts)) == b",".join(map(str.encode, COLUMNS)) + b"\r\n"
    assert b"".join(write_json(parts)) == b"[]\n"
    assert pq.read_table(io.BytesIO(b"".join(write_parquet(parts)))).num_rows == 0


def test_parquet_has_the_types_it_is_documented_with_and_no_notes_of_pandas():
    file = pq.ParquetFile(io.BytesIO(b"".join(write_parquet([CORE, NOTHING, GAPS, STRANGE]))))
    schema = file.schema_arrow
    word = "dictionary<values=string, indices=int32, ordered=0>"
    types = ("timestamp[ms, tz=UTC]", word, word, word, word, "double")
    assert [(field.name, str(field.type)) for field in schema] == [
        *zip(COLUMNS, types, strict=True)
    ]
    assert not schema.metadata
    assert file.num_row_groups == 2  # of the parts that have rows
    told = [row | {"time": f"{row['time']:%Y-%m-%dT%H:%M:%SZ}"} for row in file.read().to_pylist()]
    assert [row | {"labels": json.loads(row["labels"])} for row in told] == json.loads(JSON)


def test_every_number_reads_back_as_it_was():
    """Random bits are doubles of every size, the subnormal ones among them."""
    bits = np.random.default_rng(13).integers(0, 2**64, 20_000, dtype=np.uint64)
    numbers = np.frombuffer(struct.pack(f"<{bits.size}Q", *bits), np.float64)
    numbers = numbers[np.isfinite(numbers)]
    many = Rows(CORE.metric, "1", "avg", np.arange(numbers.size), [()], numbers[np.newaxis])
    table = csv.DictReader(io.StringIO(b"".join(write_csv([many])).decode()))
    assert [row["value"] for row in table] == [repr(number) for number in numbers.tolist()]
    rows = json.loads(b"".join(write_json([many])))
    assert [row["value"] for row in rows] == numbers.tolist()


@pytest.mark.parametrize("form", FORMATS)
def test_a_part_is_written_before_the_next_is_read(form):
    read = []

    def parts():
        for number in range(3):
            read.append(number)
            yield STRANGE

    written = FORMATS[form].write(parts())
    assert next(written)
    assert read == [0]
    assert next(written)
    assert read == [0, 1]
    written.close()
