"""No variable of Dash or Flask, and no hook of another package, opens anything in the dashboard."""

import json
import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

DOORS = {
    "DASH_MCP_ENABLED": "true",
    "DASH_MCP_PATH": "tools",
    "DASH_DEBUG": "true",
    "DASH_UI": "true",
    "dash_ui": "true",
    "DASH_PROPS_CHECK": "true",
    "DASH_SERVE_DEV_BUNDLES": "true",
    "DASH_HOT_RELOAD": "true",
    "DASH_HOT_RELOAD_INTERVAL": "0.01",
    "DASH_PRUNE_ERRORS": "true",
    "DASH_VALIDATE_CALLBACKS": "true",
    "DASH_SUPPRESS_CALLBACK_EXCEPTIONS": "false",
    "DASH_ASSETS_EXTERNAL_PATH": "http://evil.example/",
    "DASH_INCLUDE_ASSETS_FILES": "false",
    "DASH_COMPRESS": "true",
    "DASH_APP_NAME": "elsewhere",
    "DASH_URL_BASE_PATHNAME": "/base/",
    "DASH_ROUTES_PATHNAME_PREFIX": "/routes/",
    "DASH_REQUESTS_PATHNAME_PREFIX": "/requests/",
    "DASH_DISABLE_VERSION_CHECK": "true",
    "FLASK_DEBUG": "1",
}
PROGRAM = """
import json, os, app
server = app.server
client = server.test_client()
page = client.get("/").get_data(as_text=True)
config = json.loads(page.split('id="_dash-config" type="application/json">')[1].split("<")[0])
del config["end_id"]  # random
print(json.dumps({
    "rules": sorted(f"{sorted(rule.methods)} {rule}" for rule in server.url_map.iter_rules()),
    "config": config,
    "scripts": [part for part in page.split('"') if part.endswith(".js") or "?m=" in part],
    "debug": server.debug,
    "async": app.app._use_async,
    "variables": {name: os.environ.get(name) for name in %r},
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The state of an app made with these variables, and with an entry point of a package."""

    def make(variables):
        folder = tmp_path_factory.mktemp("made")
        package = folder / "plugged-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text("[dash_hooks]\nplugged = plugged\n")
        (folder / "plugged.py").write_text(
            "import dash\n"
            "dash.hooks.route(name='plugged')(lambda: 'in')\n"
            "dash.hooks.index()(lambda page: page.replace('Servescope', 'plugged'))\n"
        )
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("DASH_", "FLASK_", "SERVESCOPE_"))
        }
        answer = subprocess.run(
            [sys.executable, "-c", PROGRAM % list(DOORS)],
            cwd=ROOT,
            env=clean
            | {"SERVESCOPE_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(folder)}
            | variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return make


@pytest.fixture(scope="module")
def plain(made):
    return made({})


@pytest.fixture(scope="module")
def with_all_variables(made):
    return made(DOORS)


def test_variables_of_dash_and_flask_change_nothing(plain, with_all_variables):
    for what in ("rules", "config", "scripts", "debug", "async"):
        assert with_all_variables[what] == plain[what], what


def test_the_variables_are_there_for_the_apps_that_are_hosted(with_all_variables):
    assert with_all_variables["variables"] == DOORS


def test_there_is_no_endpoint_of_dash_but_those_that_its_pages_use(plain):
    assert not any("mcp" in rule or "alive" in rule for rule in plain["rules"])
    assert plain["debug"] is False
    assert plain["config"]["ui"] is False
    assert "hot_reload" not in plain["config"]


def test_no_callback_takes_an_event_loop_of_its_own(plain):
    assert plain["async"] is False


def test_a_package_that_plugs_into_dash_does_not_plug_into_this(plain):
    assert not any("plugged" in rule for rule in plain["rules"])
