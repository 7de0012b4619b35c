"""Servescope installed by pip into somebody's app's environment, where nothing else is."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv

import pytest

from tests.middleware.conftest import Recorded
from tests.processes import ROOT

RECORD = """
import asyncio, json, sys

from servescope.middleware import asgi, wsgi

imported = {name.partition(".")[0] for name in sys.modules}


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


async def hello_asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing"})


async def send(message):
    pass


app = wsgi.ServescopeMiddleware(hello, listener="wsgi", data_dir="data")
environ = {"PATH_INFO": "/a", "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}
assert app(environ, lambda *_: None) == [b"hello"]

app = asgi.ServescopeMiddleware(hello_asgi, listener="asgi", data_dir="data")
scope = {"type": "http", "method": "GET", "path": "/b", "http_version": "1.1", "headers": []}
asyncio.run(app(scope, None, send))
print(json.dumps(sorted(imported - sys.stdlib_module_names - {"__main__"})))
"""
RECORDED = [("wsgi", "/a", 1, 200, 0, 0, 5), ("asgi", "/{path}", 1, 404, 0, 0, 7)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment into which nothing was installed but Servescope, by pip."""
    folder = tmp_path_factory.mktemp("installed")
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "servescope", source / "servescope", ignore=left_out)
    for part in ("pages", "components", "tests"):  # what pip must leave alone
        (source / part).mkdir()
        (source / part / "__init__.py").touch()
    venv.create(environment, symlinks=True)
    (site,) = environment.glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", site, source],
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=300,
    )
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"servescope"}
    return environment / "bin" / "python"


def test_the_recorders_need_nothing_but_the_standard_library(bare, tmp_path):
    done = subprocess.run(
        [bare, "-I", "-W", "error", "-c", RECORD],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["servescope"]
    recorded = Recorded(tmp_path / "data")
    assert recorded.requests() == RECORDED
    assert [detail.route for detail in recorded.details()] == ["/a", "/{path}"]


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


def test_pip_brings_nothing_along():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
