"""A page is one file: what is added to `pages/` is found everywhere, and in no list by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.docs.test_readme import documented_pages
from tests.page_files import PAGES, pages_in_navigation
from tests.processes import ROOT

FILE = '''
"""A page that a stranger adds."""

from typing import Final

from dash import register_page

from components import panels
from components.live import LiveGraph, LivePage, connect
from servescope import catalog
from servescope.figures.lines import LinePlot
from servescope.queries import host

register_page(
    __name__, path="/added", name="Added", title="Added · Servescope", order=45, icon="added"
)

GRAPHS: Final = (
    LiveGraph("added-cpu", "CPU", "Of all cores.", lambda c, s, _: host.cpu(c, s), LinePlot()),
)
PAGE: Final = LivePage("added", GRAPHS, metrics=(catalog.CPU_UTILIZATION,))
connect(PAGE)


def layout(**_query):
    return panels.page_frame(PAGE, "Added", *(panels.graph_panel(graph) for graph in GRAPHS))
'''


BELOW_LOAD = ("Runs", "/runs")
"""A page that the docs name with the one it stands below."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Where the dashboard of a checkout that has one page more finds it."""
    folder = tmp_path_factory.mktemp("added")
    (folder / "pages").mkdir()
    for path in (ROOT / "app.py", ROOT / "assets", *PAGES.glob("*.py")):
        (folder / path.relative_to(ROOT)).symlink_to(path)
    (folder / "pages" / "added.py").write_text(FILE)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SERVESCOPE_")
    }
    environment |= {
        f"SERVESCOPE_{name}": value
        for name, value in {
            "DATA_DIR": str(folder / "data"),
            "FILES_PORT": "0",
            "WSGI_PORT": "0",
            "ASGI_PORT": "0",
        }.items()
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.pages.app_with_added_page"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.process
def test_it_is_in_the_navigation_at_its_place_and_where_no_page_is(found):
    names = [page.name for page in pages_in_navigation()]
    expected = [*names[:5], "Added", *names[5:]]
    at = expected.index("Load") + 1
    expected.insert(at, "Runs")
    assert [name for name, _ in found["navigation"]] == expected
    assert found["not found"] == expected
    assert ["Added", "/added"] in found["navigation"]


@pytest.mark.process
def test_it_has_its_title_its_address_its_export_and_its_poll(found):
    assert found["titles"].count("Added · Servescope") == 1
    assert found["status"] == 200
    assert found["redirect"].endswith("added")
    assert any(one and "added" in one for one in found["exports"])
    assert found["poll"] == "added"


@pytest.mark.process
def test_the_docs_are_found_to_lack_it(found):
    lacking = {tuple(page) for page in found["navigation"]} - set(documented_pages())
    assert lacking == {("Added", "/added"), BELOW_LOAD}
