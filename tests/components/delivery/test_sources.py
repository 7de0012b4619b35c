"""Bundles: which files, in which order, by which name, and when they count as changed."""

from __future__ import annotations

import os

import pytest

from components.delivery.sources import SCRIPTS, STYLE_SHEETS, Bundle, CompiledEarly, File


@pytest.fixture
def folder(tmp_path):
    for name, text in (
        ("b.js", "(() => { b(); })();"),
        ("a.js", "// says nothing at its end"),
        ("left_out.js", "never"),
        ("a.css", "body { margin: 0 }"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "first.js").write_text("var first;")
    (tmp_path / "vendor" / "other.js").write_text("never")
    return tmp_path


def test_scripts_come_in_the_order_of_their_names_and_fail_alone(folder):
    bundle = Bundle(SCRIPTS, folder, frozenset({"left_out.js"}), ("vendor/first.js",))
    begin, end = "try {\n", "\n} catch (error) {\n  reportError(error);\n}\n"
    assert bundle.read().decode() == (
        f"// vendor/first.js\n{begin}var first;{end}"
        f"// a.js\n{begin}// says nothing at its end{end}"
        f"// b.js\n{begin}(() => {{ b(); }})();{end}"
    )


def test_a_script_to_be_compiled_early_says_so_first(folder):
    file = File(folder / "b.js")
    early = CompiledEarly(file)
    assert early.read() == b"//# allFunctionsCalledOnLoad\n(() => { b(); })();"
    assert early.state() == file.state()


def test_style_sheets_bear_their_names(folder):
    assert Bundle(STYLE_SHEETS, folder).read() == b"/* a.css */\nbody { margin: 0 }\n"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "a.css").write_text("body {}"), id="another content"),
        pytest.param(lambda folder: (folder / "b.css").write_text(""), id="one more file"),
        pytest.param(lambda folder: (folder / "a.css").unlink(), id="one less"),
        pytest.param(lambda folder: os.utime(folder / "a.css", ns=(1, 1)), id="another time"),
    ],
)
def test_a_bundle_changes_with_its_files(folder, change):
    bundle = Bundle(STYLE_SHEETS, folder)
    before = bundle.state()
    assert bundle.state() == before
    change(folder)
    assert bundle.state() != before


@pytest.mark.parametrize("name", ["none.js", "vendor", "x" * 5_000, "a\0.js"])
def test_only_a_regular_file_is_a_source(folder, name):
    with pytest.raises(FileNotFoundError):
        File(folder / name).state()
