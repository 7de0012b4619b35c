"""The document: what is loaded, in which order, and what is left out."""

from __future__ import annotations

import hashlib
import re

import pytest

from components.delivery.document import PLOTLY, head_scripts
from components.delivery.static_files import FOR_GOOD, StaticFiles
from tests.components.delivery.conftest import TREE_ASSETS


@pytest.fixture(scope="module")
def document(app):
    return app.server.test_client().get("/").get_data(as_text=True)


def scripts(document):
    """Addresses of the scripts, in their order, without fingerprints."""
    sources = re.findall(r'<script\b[^>]*?\bsrc="([^"]*)"', document)
    return [re.sub(r"\.v[\w-]+m[0-9a-f]{16}|\?m=[0-9a-f]{16}$", "", source) for source in sources]


def test_each_file_is_named_by_its_fingerprint(app, document):
    client = app.server.test_client()
    urls = re.findall(r'(?:src|href|data-tables)="(/[^"]*)"', document)
    assert len(urls) > 15
    for url in urls:
        with client.get(url) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_GOOD), url


def test_the_colour_scheme_is_chosen_first_and_nothing_waits_for_plotly(document):
    first, plotly, *_ = scripts(document)
    assert first == "/assets/color_scheme.js"
    assert plotly == "/assets/vendor/plotly-cartesian/plotly-cartesian.min.js"
    assert '<script defer src="/assets/vendor/plotly-cartesian/' in document.partition("</head>")[0]
    assert "below_prefix.js" not in document


def test_below_a_prefix_the_script_that_leads_there_runs_first():
    head = head_scripts(StaticFiles({}, TREE_ASSETS, "/scope/"))
    assert scripts(head)[:2] == ["/scope/assets/below_prefix.js", "/scope/assets/color_scheme.js"]
    assert re.match(r'<script src="[^"]*" data-prefix="/scope/"></script>', head)


def test_the_loader_of_tables_stands_for_their_code_behind_react(document):
    loaded = scripts(document)
    (react,) = (source for source in loaded if "/react@" in source)
    (renderer,) = (source for source in loaded if "/dash_renderer." in source)
    loader = loaded.index("/assets/load_tables.js")
    assert loaded.index(react) < loader < loaded.index(renderer)
    assert 'data-tables="/_dash-component-suites/dash_ag_grid/dash_ag_grid.v' in document


def test_each_script_is_loaded_once_and_none_that_no_page_needs(document):
    loaded = scripts(document)
    assert len(set(loaded)) == len(loaded)
    assert not [source for source in loaded if "dash_ag_grid" in source or "dash_table" in source]
    assert "/assets/live_graphs.js" in loaded


def test_the_vendored_plotly_is_the_one_that_was_published():
    """The file of plotly.js-cartesian-dist-min 4.1.1, see scripts/fetch_plotly.py."""
    bundle = (TREE_ASSETS / PLOTLY).read_bytes()
    assert hashlib.sha256(bundle).hexdigest() == (
        "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
    )
    assert b"plotly.js (cartesian - minified) v4.1.1\n" in bundle[:200]
    assert "MIT" in (TREE_ASSETS / PLOTLY).with_name("LICENSE").read_text()
