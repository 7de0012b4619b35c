"""A limited container: the page Host names the limit and draws it, the overview judges by it."""

import pytest

from tests.processes import Dashboards
from tests.sampling.cgroup_trees import MIB, limited_v2

pytestmark = pytest.mark.browser

LIMITED = """
import runpy, sys
from functools import partial
from pathlib import Path
from servescope.runtime import collector_thread
collector_thread.ContainerSampler = partial(collector_thread.ContainerSampler, Path(sys.argv[1]))
runpy.run_path("app.py", run_name="__main__")
"""
SENTENCE = "text => document.querySelector('#host-container-limits')?.textContent.includes(text)"
SECTION = "document.querySelector('#host-container').checkVisibility()"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return limited_v2(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory, machine):
    dashboards = Dashboards(tmp_path_factory.mktemp("limited"))
    try:
        yield dashboards("-c", LIMITED, str(machine.root))
    finally:
        dashboards.end()


def test_the_limits_are_named_and_drawn_while_there_are_any(open_page, machine):
    opened = open_page("/host")
    opened.until(SENTENCE, "Limited to 512 MiB of ")
    opened.until(SENTENCE, " GiB by memory.max of the cgroup /, and to 0.5 of ")
    opened.until(SENTENCE, " CPUs by cpu.max of the cgroup /.")
    assert opened.page.evaluate(SECTION)
    opened.wait_drawn("host-container-memory", "host-container-cpu", "host-container-throttled")
    for graph in ("host-container-memory", "host-container-cpu"):
        opened.wait_newer(graph, 0)
        assert [trace["name"] for trace in opened.points(graph)] == ["used", "limit"]

    machine.group("", memory_max=f"{210 * MIB}\n")  # of which 200 are used
    opened.until(SENTENCE, "Limited to 210 MiB of ")
    opened.follow("Overview")
    opened.until(
        "document.querySelector('#memory-note')?.textContent"
        ".replaceAll('\u00a0', ' ') === 'mean of 5 s; 95 % of our limit'"
    )
    opened.until(
        "document.querySelector('#overview-verdict')?.textContent"
        ".includes('95 % of the memory that its cgroup allows')"
    )

    machine.group("", memory_max="max\n", cpu_max="max 100000\n")
    opened.follow("Host")
    opened.until(f"!{SECTION}")
    opened.wait_drawn("host-cpu")
    opened.follow("Overview")
    opened.until(
        "document.querySelector('#memory-note')?.textContent"
        ".replaceAll('\u00a0', ' ') === 'used, mean of 5 s'"
    )
