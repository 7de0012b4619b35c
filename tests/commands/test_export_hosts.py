"""Exports of any host on an engine: from the command line, and by the page's URL."""

import csv
import io
import json
import urllib.error
import urllib.request
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Batch, Frame
from servescope.store.opening import open_backend
from tests.contracts.series import CPU, REQUESTS, SENT, delta
from tests.engines import ENGINES, RunningEngine
from tests.ports import free_port
from tests.processes import Dashboards
from tests.waiting import eventually

START = 1_700_000_000 // 60 * 60
SECONDS = 180
METRICS = (CPU_UTILIZATION, BYTES_SENT, REQUEST_DURATION)
SPAN = ("--from", str(START), "--to", str(START + SECONDS), "--step", "60")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, tmp_path_factory):
    """An engine with the hosts `alpha` and `beta`; each has its share of the CPU and its bytes."""
    folder = tmp_path_factory.mktemp(request.param)
    running = RunningEngine(request.param, folder / "engine").start()
    for number, name in enumerate(("alpha", "beta"), 1):
        with closing(open_backend(running.setting, folder / name, 64, name)) as store:
            frames = [
                Frame(
                    START + second,
                    {CPU[0]: number / 10},
                    {SENT[0]: float(number)},
                    {REQUESTS[0]: delta(number / 100)},
                )
                for second in range(SECONDS)
            ]
            store.write(Batch(frames))
            assert store.wait_sent(30)
            running.show()
            eventually(lambda store=store, name=name: store.look_anew() or _is_whole(store, name))
    yield running
    running.end()


def _is_whole(store, name):
    bounds = store.view(name).bounds()
    return bounds == (START, START + SECONDS - 1)


@pytest.fixture
def export(run_command, engine, tmp_path):
    def run(*given, folder=tmp_path / "nothing here", store=engine.setting, instance="gamma"):
        named = [word for metric in METRICS for word in ("--metric", metric)]
        return run_command(
            "export", *named, *given, DATA_DIR=folder, STORE=store, INSTANCE=instance
        )

    return run


def table(written, form):
    """(metric, statistic) → values of the rows, whatever the format."""
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(written.decode())))
    elif form == "json":
        rows = json.loads(written)
    else:
        rows = pq.read_table(io.BytesIO(written)).to_pylist()
    values = {}
    for row in rows:
        values.setdefault((row["metric"], row["statistic"]), []).append(float(row["value"]))
    return values


@pytest.mark.parametrize(
    ("form", "host", "cpu", "sent"),
    [("csv", "alpha", 0.1, 60), ("json", "beta", 0.2, 120), ("parquet", "beta", 0.2, 120)],
)
def test_a_host_is_exported_where_there_is_no_data_folder(export, tmp_path, form, host, cpu, sent):
    done = export("--host", host, "--format", form, *SPAN)
    assert (done.status, done.err) == (0, b"")
    found = table(done.out, form)
    assert found[CPU_UTILIZATION, "avg"] == pytest.approx([cpu] * 3)
    assert found[BYTES_SENT, "increase"] == [sent] * 3
    assert found[REQUEST_DURATION, "count"] == [60] * 3
    assert found[REQUEST_DURATION, "p90"] == pytest.approx([cpu / 10] * 3, rel=0.05)
    assert not (tmp_path / "nothing here").exists()


def test_all_hosts_are_exported_together(export):
    found = table(export("--host", "*", *SPAN).out, "csv")
    assert found[CPU_UTILIZATION, "avg"] == pytest.approx([0.15] * 3)
    assert found[BYTES_SENT, "increase"] == [180] * 3


def test_the_own_host_is_the_default(export, engine):
    found = table(export(*SPAN, instance="beta").out, "csv")
    assert found[BYTES_SENT, "increase"] == [120] * 3
    folder = engine.folder.parent / "alpha"
    found = table(export(*SPAN, instance="alpha", folder=folder).out, "csv")
    assert found[BYTES_SENT, "increase"] == [60] * 3


@pytest.mark.parametrize(
    ("given", "settings", "status", "message"),
    [
        (["--host", "delta"], {}, 2, "there is no host 'delta'; the engine holds alpha, beta"),
        ([], {}, 2, "there is no host 'gamma'"),
        (["--host", "beta"], {"store": "sqlite"}, 2, "SERVESCOPE_STORE names none"),
        (["--host", "beta"], {"store": "away"}, 1, "does not answer"),
    ],
    ids=["no such host", "own host without figures", "no engine", "engine away"],
)
def test_an_export_that_cannot_be_is_refused(export, given, settings, status, message):
    if settings.get("store") == "away":
        settings = {"store": f"prometheus+http://127.0.0.1:{free_port()}"}
    done = export(*given, **settings)
    assert (done.status, done.out) == (status, b"")
    assert message in done.err.decode()


def test_the_url_exports_any_host(engine, tmp_path):
    dashboards = Dashboards(tmp_path)
    try:
        running = dashboards(STORE=engine.setting, INSTANCE="gamma")
        asked = f"/export?metric={BYTES_SENT}&from={START}&to={START + SECONDS}&step=60&title=t"
        eventually(lambda: b"gamma" in _body(running, asked + "&host=delta"))
        for host, expected in (("alpha", 60), ("beta", 120), ("*", 180)):
            with urllib.request.urlopen(f"{running.url}{asked}&host={host}", timeout=10) as answer:
                named = answer.headers["Content-Disposition"]
                found = table(answer.read(), "csv")
            assert found[BYTES_SENT, "increase"] == [expected] * 3
            assert f"servescope_{'all-hosts' if host == '*' else host}_t_" in named
        with pytest.raises(urllib.error.HTTPError) as refused:
            running.get(asked + "&host=delta")
        assert refused.value.code == 400
        assert b"there is no host 'delta'; the engine holds alpha, beta" in refused.value.read()
        refused.value.close()
    finally:
        dashboards.end()


def _body(running, path):
    try:
        return running.get(path)
    except urllib.error.HTTPError as error:
        with error:
            return error.read()
