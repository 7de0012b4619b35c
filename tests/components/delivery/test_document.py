"""The document: what is loaded, in which order, and what is left out."""

from __future__ import annotations

import hashlib
import re

import pytest

from components.delivery.document import GENERATORS, LOADED_FIRST, PLOTLY, head_scripts
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
    urls = re.findall(r'(?:src|href|data-tables|data-plotly)="(/[^"]*)"', document)
    assert len(urls) > 10
    for url in urls:
        with client.get(url) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_GOOD), url


def test_the_colour_scheme_is_chosen_first_and_nothing_waits_for_plotly(document):
    first, plotly, *_ = scripts(document)
    assert first == "/assets/color_scheme.js"
    assert plotly == f"/assets/{PLOTLY}"
    assert f'<script defer src="/assets/{PLOTLY}?' in document.partition("</head>")[0]
    assert "below_prefix.js" not in document


def test_below_a_prefix_the_script_that_leads_there_runs_first():
    head = head_scripts(StaticFiles({}, TREE_ASSETS, "/scope/"))
    assert scripts(head)[:2] == ["/scope/assets/below_prefix.js", "/scope/assets/color_scheme.js"]
    assert re.match(r'<script src="[^"]*" data-prefix="/scope/"></script>', head)


def test_our_scripts_stand_for_the_code_of_tables_behind_react(document):
    loaded = scripts(document)
    (react,) = (source for source in loaded if "/react@" in source)
    (renderer,) = (source for source in loaded if "/dash_renderer." in source)
    own = loaded.index("/assets/scripts.js")
    assert loaded.index(react) < own < loaded.index(renderer)
    assert 'data-tables="/_dash-component-suites/dash_ag_grid/dash_ag_grid.v' in document
    assert f'data-plotly="/assets/{PLOTLY}?' in document


def test_the_script_that_is_compiled_longest_runs_last_before_dash_begins(document):
    assert "/dash_mantine_components." in scripts(document)[-1]
    assert document.index("/dash_mantine_components/") < document.index("new DashRenderer()")


def test_each_script_is_loaded_once_and_none_that_no_page_needs(document):
    loaded = scripts(document)
    assert len(set(loaded)) == len(loaded)
    unused = ("dash_ag_grid", "dash_table", "polyfill")
    assert not [source for source in loaded if any(part in source for part in unused)]


def test_all_our_own_files_come_as_one_script_and_one_style_sheet(app, document):
    own = [source for source in scripts(document) if source.startswith("/assets/")]
    assert own == [
        "/assets/color_scheme.js",
        f"/assets/{PLOTLY}",
        "/assets/scripts.js",
    ]
    assert re.findall(r'<link rel="stylesheet" href="([^"?]*)', document) == ["/assets/styles.css"]
    client = app.server.test_client()
    for bundle, suffix in (("scripts.js", "js"), ("styles.css", "css")):
        text = client.get(f"/assets/{bundle}").get_data(as_text=True)
        names = re.findall(rf"^(?:// |/\* )([\w/-]+\.{suffix})", text, re.MULTILINE)
        first = [GENERATORS] if suffix == "js" else []
        others = sorted(path.name for path in TREE_ASSETS.glob(f"*.{suffix}"))
        assert names == first + [name for name in others if name not in LOADED_FIRST]


@pytest.mark.parametrize(
    ("name", "digest", "begins"),
    [
        pytest.param(
            PLOTLY,
            "85852fd742018629500e567d84b6e3a2cb4f382abc607ed3e4ccea0e0f21602a",
            b"//# allFunctionsCalledOnLoad\n/* plotly.js v4.1.1 (scatter, bar, heatmap; minified)",
            id="plotly",
        ),
        pytest.param(
            GENERATORS,
            "7beda998b3fd277f3548e12b277bafc3037d243421f007032d38dffee412224c",
            b"/**\n * Copyright (c) 2014-present, Facebook, Inc.",
            id="regenerator-runtime",
        ),
    ],
)
def test_a_vendored_script_is_the_one_that_was_published(name, digest, begins):
    """As `scripts/fetch_vendored.py` makes it."""
    script = (TREE_ASSETS / name).read_bytes()
    assert hashlib.sha256(script).hexdigest() == digest
    assert script.startswith(begins)
    assert "MIT" in (TREE_ASSETS / name).with_name("LICENSE").read_text()


def test_style_sheets_look_at_children_only():
    """For a `:has()` of descendants a browser goes through the document at each change of it."""
    asked = [
        argument.strip()
        for path in TREE_ASSETS.glob("*.css")
        for arguments in re.findall(r":has\(((?:[^()]|\([^()]*\))*)\)", path.read_text())
        for argument in re.split(r",(?![^(]*\))", arguments)
        if arguments
    ]
    assert len(asked) > 5
    assert [argument for argument in asked if argument[0] not in ">+"] == []
