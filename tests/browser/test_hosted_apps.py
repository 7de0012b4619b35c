"""A person hosts another app, adds a listener and removes it, and reads why one cannot be."""

from __future__ import annotations

import urllib.request

import pytest

from tests.browser.test_servers import (
    card,
    fill,
    press,
    shown,
    status_of,
    wait_card,
)
from tests.processes import Dashboards, eventually, is_bound

pytestmark = pytest.mark.browser

MODULES = {
    "shop.py": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop"]

async def loop(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the loop"})
""",
    "raising.py": "raise OSError('no database')",
}


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """A dashboard whose operator allows a few apps and a folder."""
    folder = tmp_path_factory.mktemp("hosting")
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    (folder / "public").mkdir()
    (folder / "public" / "hello.txt").write_text("from the folder")
    dashboards = Dashboards(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        allowed = f"shop:app,shop:loop,shop:missing,raising:app,no_such_module:app,{folder}/public"
        yield dashboards(APPS=allowed)
    dashboards.end()


def body(dashboard, name, path="/"):
    with urllib.request.urlopen(dashboard.listener(name).url + path[1:], timeout=10) as answer:
        return answer.read()


@pytest.fixture
def servers(kept_page, dashboard):
    with shown(kept_page, dashboard) as opened:
        yield opened


def test_another_app_and_back(servers, dashboard):
    port = dashboard.port("wsgi")
    fill(servers, "App", "shop:app")
    press(servers, "Apply")
    wait_card(servers, "wsgi", "shop:app")
    eventually(lambda: body(dashboard, "wsgi") == b"the shop")
    fill(servers, "App", "shop:loop")
    press(servers, "Apply")
    wait_card(servers, "wsgi", "shop:loop (asgi)")
    assert "one event loop" in card(servers, "wsgi").inner_text()
    eventually(lambda: body(dashboard, "wsgi") == b"the loop")
    press(servers, "Back to the settings: wsgi")
    wait_card(servers, "wsgi", "flask_app")
    assert dashboard.port("wsgi") == port


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("no_such_module:app", "cannot import no_such_module: ModuleNotFoundError"),
        ("shop:missing", "module shop has no missing; still as before"),
        ("raising:app", "cannot import raising: OSError: no database; still as before"),
    ],
)
def test_what_cannot_be_hosted_is_on_the_card_and_the_old_app_serves_on(
    servers, dashboard, app, told
):
    fill(servers, "App", app)
    press(servers, "Apply")
    wait_card(servers, "wsgi", told)
    assert "flask_app" in card(servers, "wsgi").inner_text()
    assert b"notes.js" in body(dashboard, "wsgi")


@pytest.mark.parametrize("app", ["os:system", "/etc", "nonsense"])
def test_what_is_not_allowed_is_said_beside_the_field(servers, dashboard, app):
    fill(servers, "App", app)
    press(servers, "Apply")
    told = "neither module:attribute" if app == "nonsense" else f"SERVESCOPE_APPS={app}"
    servers.page.get_by_text(told).first.wait_for()
    assert not status_of(dashboard, "wsgi").is_changed


def test_a_listener_is_added_with_a_folder_and_removed(servers, dashboard):
    public = dashboard.folder.parent / "public"
    fill(servers, "Name", "mine")
    fill(servers, "App to host", public)
    press(servers, "Add listener")
    wait_card(servers, "mine", "running")
    assert "added here" in card(servers, "mine").inner_text()
    assert body(dashboard, "mine", "/hello.txt") == b"from the folder"
    port = dashboard.port("mine")
    press(servers, "Add listener")
    servers.page.get_by_text("There is a listener mine already.").wait_for()
    press(servers, "Remove: mine")
    eventually(lambda: dashboard.listener("mine") is None)
    eventually(lambda: not is_bound(port))
    card(servers, "mine").wait_for(state="detached")
    fill(servers, "Name", "")
    fill(servers, "App to host", "")


def test_on_a_phone_the_fields_fit(servers):
    with servers.as_phone():
        servers.until("document.documentElement.scrollWidth === 390")
        servers.page.get_by_text("what the operator lists in SERVESCOPE_APPS").wait_for()
