"""Servescope installed by pip into somebody's app's environment, with and without a C compiler."""

import os
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.middleware.conftest import Recorded
from tests.processes import ROOT

SERVED = """
from servescope.middleware.wsgi import ServescopeMiddleware

app = ServescopeMiddleware(
    lambda environ, start: [start("200 OK", []), [b"hello"]][1], listener="shop", data_dir="data"
)
assert app({"PATH_INFO": "/a", "REQUEST_METHOD": "GET"}, lambda *_: None) == [b"hello"]
print(ServescopeMiddleware.__mro__[1].__module__, type(app.recording.record).__module__)
"""


@pytest.mark.parametrize(
    ("compiler", "modules"),
    [
        ("cc", "servescope.middleware._wsgi_calls servescope.recording._call_recorder"),
        ("false", "servescope.middleware.wsgi_calls builtins"),
    ],
)
def test_pip_installs_the_recorders_compiled_where_that_can_be(tmp_path, compiler, modules):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left_out = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "servescope", source / "servescope", ignore=left_out)
    for part in ("pages", "components", "tests"):  # what pip must leave alone
        (source / part).mkdir()
        (source / part / "__init__.py").touch()
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, source],
        env=os.environ | {"CC": compiler, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=300,
    )
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"servescope"}

    served = run(site, tmp_path, "-c", SERVED)
    assert (served.stdout.strip(), served.stderr) == (modules, "")
    assert Recorded(tmp_path / "data", None).one() == ("shop", "/a", 1, 200, 0, 0, 5)


def run(site, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_say_what_they_need(tmp_path):
    (tmp_path / "zstandard.py").write_text("raise ModuleNotFoundError(name='zstandard')")
    told = run(f"{tmp_path}:{ROOT}", tmp_path, "-m", "servescope", "export")
    assert told.returncode == 1
    (line,) = told.stderr.splitlines()
    assert line.startswith("servescope: its commands need zstandard, which is not installed")


def test_what_an_installed_recorder_needs_is_what_the_dashboard_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line.partition("#")[0].strip() for line in lines}
    assert set(project["dependencies"]) <= required
