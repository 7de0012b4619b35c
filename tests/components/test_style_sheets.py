"""The style sheets of the pages: each custom property that they use has a value somewhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
USED = re.compile(r"var\((--[a-z0-9-]+)\s*([,)])")
GIVEN = re.compile(r"(--[a-z0-9-]+)[\"']?\s*[:,\]]")
OF_MANTINE = "--mantine-"
BY_SCRIPTS_AND_COMPONENTS = ("assets/*.js", "components/**/*.py", "pages/*.py")


def test_each_custom_property_has_a_value():
    """One without makes the whole declaration void, and no browser says so."""
    sheets = [one.read_text("utf-8") for one in (ROOT / "assets").glob("*.css")]
    assert sheets
    givers = [one.read_text("utf-8") for way in BY_SCRIPTS_AND_COMPONENTS for one in ROOT.glob(way)]
    given = {name for text in (*sheets, *givers) for name in GIVEN.findall(text)}
    used = {name for text in sheets for name, end in USED.findall(text) if end == ")"}
    assert {name for name in used - given if not name.startswith(OF_MANTINE)} == set()
