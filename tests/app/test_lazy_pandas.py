"""A dashboard process never loads pandas: a process of its own makes each export."""

import subprocess
import sys

from tests.processes import ROOT

POLL = """
import sys
import app
from tests.app.callback_payloads import payloads

def loaded():
    return sorted({"pandas", "pyarrow"} & sys.modules.keys())

def newest():
    return app.server.extensions["servescope"].context.newest()

print("imported", loaded())
client = app.server.test_client()
client.get("/")
try:
    eventually(lambda: newest() is not None)
    for output, body in payloads(app.app.callback_map).items():
        if output.endswith("-delta.data"):
            assert client.post("/_dash-update-component", json=body).status_code == 200
    print("polled", loaded())
    exported = client.get("/export?metric=servescope.collector.cpu_time")
    assert exported.status_code == 200, exported.text
    assert exported.text.startswith("time,metric")
    print("exported", loaded())
finally:
    app.runtime.stop()
"""


def test_neither_the_import_of_the_app_nor_a_poll_nor_an_export_loads_it(tmp_path):
    environment = {"SERVESCOPE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    environment |= {f"SERVESCOPE_{name}_PORT": "0" for name in ("FILES", "WSGI", "ASGI")}
    script = "from tests.waiting import eventually\n" + POLL
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["imported []", "polled []", "exported []"]
