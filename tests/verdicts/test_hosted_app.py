"""An app of a folder in a process of its own: it is that folder's version, and nothing else's."""

import urllib.request

import pytest

from servescope.errors import AppImportError, ListenerError, UsageError
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.verdicts.comparing import STAGES
from servescope.verdicts.hosted_app import HostableApp, HostedApp, Hosting
from servescope.verdicts.side import AppSide
from tests.processes import is_bound
from tests.waiting import eventually

pytestmark = pytest.mark.process

WSGI = """
import pathlib
from wares import VERSION

def app(environ, start_response):
    body = f"{VERSION} in {pathlib.Path.cwd()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
async def app(scope, receive, send):
    raise RuntimeError
"""


def folder_of(tmp_path, name, source=WSGI, version="1"):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "shop.py").write_text(source)
    if version:
        (folder / "wares.py").write_text(f"VERSION = {version!r}")
    return folder


def hosted(folder, rings, **how):
    app = HostableApp("before", AppSide("shop:app", folder), Hosting(**how))
    return HostedApp(app.spec, rings, app.folder)


def answer_of(app):
    host, port = app.address
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=20) as answer:
        return answer.read().decode()


def test_two_versions_of_a_module_are_hosted_side_by_side_each_in_its_folder(tmp_path):
    folders = [folder_of(tmp_path, name, version=name) for name in ("old", "new")]
    apps = [hosted(folder, tmp_path / f"rings-{folder.name}") for folder in folders]
    try:
        answers = list(map(answer_of, apps))
        stages = eventually(apps[0].stages_ms)  # a record follows its answer
        assert apps[0].stages_ms() == {}  # they were told already
    finally:
        for app in apps:
            app.close()
    assert answers == [f"{folder.name} in {folder}" for folder in folders]
    assert list(stages) == list(STAGES[:-1])
    assert stages["app"] > 0
    assert not any(is_bound(app.address[1]) for app in apps)


def test_a_module_that_the_folder_lacks_is_not_taken_from_where_the_command_runs(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(folder_of(tmp_path, "here"))
    monkeypatch.syspath_prepend(str(tmp_path / "here"))  # as `python -m` does
    lacking = folder_of(tmp_path, "lacking", version="")
    with pytest.raises(AppImportError, match="No module named 'wares'"):
        hosted(lacking, tmp_path / "rings")


def test_an_app_that_is_imported_from_elsewhere_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    side = AppSide("json:loads", empty)
    with pytest.raises(AppImportError):
        HostableApp("before", side, Hosting())
    with pytest.raises(AppImportError, match=r"not in .*empty: it was imported from"):
        HostableApp("before", AppSide("wsgiref.simple_server:demo_app", empty), Hosting())


def test_the_kind_of_the_app_chooses_the_model(tmp_path):
    folder = folder_of(tmp_path, "new", ASGI)
    spec = HostableApp("before", AppSide("shop:app", folder), Hosting()).spec
    assert (spec.app_kind, spec.model) == (AppKind.ASGI, ConcurrencyModel.ASYNCIO)
    with pytest.raises(UsageError, match="--model asyncio"):
        hosted(folder, tmp_path / "rings", model=ConcurrencyModel.PREFORK)


def test_an_app_that_fails_in_its_process_is_told_with_its_reason(tmp_path):
    failing = "raise OSError('no such wares')"
    with pytest.raises(ListenerError, match="no such wares"):
        hosted(folder_of(tmp_path, "failing", failing), tmp_path / "rings")
