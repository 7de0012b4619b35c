"""Files as the dashboard delivers them, in an app of their own: Dash knows but one a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from components.delivery.static_files import ASSETS, SUITES, StaticFiles

SCRIPT = b"const words = 'many of them, many of them, many of them';\n" * 200
RENDERER = "dash-renderer/build/dash_renderer.min.js"
TREE_ASSETS = Path(__file__).parents[3] / "assets"


@pytest.fixture
def folder(tmp_path):
    """The folder of assets, with a script, a smaller one and an icon."""
    (tmp_path / "app.js").write_bytes(SCRIPT)
    (tmp_path / "small.js").write_bytes(b"'use strict';\n")
    (tmp_path / "favicon.ico").write_bytes(b"\0" * 2_000)
    (tmp_path / "vendor").mkdir()
    return tmp_path


@pytest.fixture
def files(folder):
    return StaticFiles({"dash": {RENDERER}}, folder, "/")


@pytest.fixture
def client(files):
    flask = Flask(__name__, static_folder=None)
    flask.add_url_rule(f"/{ASSETS}<path:filename>", view_func=files.asset)
    flask.add_url_rule(
        f"/{SUITES}<package_name>/<path:fingerprinted_path>", view_func=files.component_file
    )
    return flask.test_client()
