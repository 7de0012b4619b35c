"""A worker's process before it has anything to serve."""

import subprocess
import sys

import pytest

from tests.processes import ROOT


@pytest.mark.parametrize("told", [b"", b'{"spec": '], ids=["nothing", "half an order"])
def test_a_worker_whose_parent_goes_before_the_order_ends_without_a_word(told):
    worker = [sys.executable, "-m", "servescope.serving.worker"]
    done = subprocess.run(
        worker, input=told, capture_output=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
