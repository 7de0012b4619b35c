"""What may be hosted from the browser, and what is told of what may not."""

from __future__ import annotations

import pytest

from servescope.errors import SettingsError
from servescope.runtime.hostable import (
    BUNDLED_ASGI,
    BUNDLED_SITE,
    BUNDLED_WSGI,
    NAME,
    objection,
    offered,
    rule,
)
from servescope.settings import Settings, load_settings


@pytest.fixture
def allowing(tmp_path):
    (tmp_path / "data").mkdir()
    return lambda apps="", **more: Settings(data_dir=tmp_path / "data", apps=apps, **more)


def test_the_bundled_apps_and_those_of_the_settings_may_be_hosted(allowing, tmp_path):
    settings = allowing(wsgi_app="shop.web:app", files_folder=tmp_path / "public")
    for app in (BUNDLED_WSGI, BUNDLED_ASGI, str(BUNDLED_SITE), "shop.web:app"):
        assert objection(settings, app) == ""
    assert objection(settings, str(tmp_path / "public" / "docs")) == ""
    assert offered(settings)[:3] == ["shop.web:app", BUNDLED_ASGI, str(tmp_path / "public")]


@pytest.mark.parametrize("app", ["os:system", "shop.web:other", "/etc", "/usr/share", "~/.ssh"])
def test_anything_else_may_not_and_the_setting_is_named(allowing, app):
    assert f"SERVESCOPE_APPS={app}" in objection(allowing("shop.web:app"), app)


def test_what_the_operator_lists_may_be_hosted(allowing, tmp_path):
    public = tmp_path / "public"
    settings = allowing(f"shop.web:app, {public}")
    assert objection(settings, "shop.web:app") == ""
    assert objection(settings, str(public)) == objection(settings, str(public / "a" / "b")) == ""
    assert objection(settings, str(public / ".." / "other"))
    assert objection(settings, f"{public}-too")
    assert "shop.web:app" in offered(settings)


@pytest.mark.parametrize(
    ("app", "is_allowed"),
    [
        ("shop:create_app('prod', debug=False)", True),
        ('shop:create_app( "prod",debug = False )', True),
        ("shop:create_app('prod', debug=True)", False),
        ("shop:create_app()", False),
        ("shop:create_app", False),
    ],
)
def test_of_a_factory_the_listed_call_may_be_hosted(allowing, app, is_allowed):
    settings = allowing("""shop:create_app("prod", debug=False), shop.web:app""")
    assert (objection(settings, app) == "") is is_allowed
    assert objection(settings, "shop.web:app") == ""


def test_a_link_leads_nowhere_else(allowing, tmp_path):
    public = tmp_path / "public"
    public.mkdir()
    (public / "out").symlink_to("/etc")
    assert objection(allowing(str(public)), str(public / "out"))


def test_all_of_it_when_the_operator_says_so_but_never_our_own_data(allowing, tmp_path):
    settings = allowing("*")
    assert objection(settings, "any.thing:app") == objection(settings, "/usr/share") == ""
    for folder in (tmp_path, tmp_path / "data", tmp_path / "data" / "rings", "/"):
        assert "Servescope's own data" in objection(settings, str(folder))
    assert "*" not in offered(settings)
    assert "SERVESCOPE_APPS=*" in rule(settings)


@pytest.mark.parametrize("app", ["", "app", "a:b:c", "relative/folder", "a b:c", ":app", "app:"])
def test_what_names_no_app_is_said(allowing, app):
    assert "neither module:attribute nor" in objection(allowing("*"), app)


@pytest.mark.parametrize("entry", ["app", "relative/folder", ":app", "module:"])
def test_a_setting_that_names_no_app_stops_the_start(monkeypatch, entry):
    monkeypatch.setenv("SERVESCOPE_APPS", f"a:b,{entry}")
    with pytest.raises(SettingsError, match="SERVESCOPE_APPS") as caught:
        load_settings()
    assert "neither module:attribute" in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a" * 41, "a\n", "é"])
def test_a_name_that_is_no_name_of_a_file(name):
    assert not NAME.fullmatch(name)
