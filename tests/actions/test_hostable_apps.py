"""The apps and folders that may be hosted from the browser, and what is told of the others."""

from __future__ import annotations

import pytest

from servescope.actions.hostable_apps import (
    BUNDLED_ASGI,
    BUNDLED_SITE,
    BUNDLED_WSGI,
    hosting_rule,
    offered_apps,
    why_not_hostable,
)
from servescope.errors import SettingsError
from servescope.settings import Settings, load_settings


@pytest.fixture
def allowing(tmp_path):
    (tmp_path / "data").mkdir()
    return lambda apps="", **more: Settings(data_dir=tmp_path / "data", apps=apps, **more)


def test_the_bundled_apps_and_those_of_the_settings_may_be_hosted(allowing, tmp_path):
    settings = allowing(wsgi_app="shop.web:app", files_folder=tmp_path / "public")
    for app in (BUNDLED_WSGI, BUNDLED_ASGI, str(BUNDLED_SITE), "shop.web:app"):
        assert why_not_hostable(settings, app) == ""
    assert why_not_hostable(settings, str(tmp_path / "public" / "docs")) == ""
    assert offered_apps(settings)[:3] == ["shop.web:app", BUNDLED_ASGI, str(tmp_path / "public")]


@pytest.mark.parametrize("app", ["os:system", "shop.web:other", "/etc", "/usr/share", "~/.ssh"])
def test_anything_else_may_not_and_the_setting_is_named(allowing, app):
    assert f"SERVESCOPE_APPS={app}" in why_not_hostable(allowing("shop.web:app"), app)


def test_what_the_operator_lists_may_be_hosted(allowing, tmp_path):
    public = tmp_path / "public"
    settings = allowing(f"shop.web:app, {public}")
    assert why_not_hostable(settings, "shop.web:app") == ""
    assert (
        why_not_hostable(settings, str(public))
        == why_not_hostable(settings, str(public / "a" / "b"))
        == ""
    )
    assert why_not_hostable(settings, str(public / ".." / "other"))
    assert why_not_hostable(settings, f"{public}-too")
    assert "shop.web:app" in offered_apps(settings)


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
    assert (why_not_hostable(settings, app) == "") is is_allowed
    assert why_not_hostable(settings, "shop.web:app") == ""


def test_a_link_leads_nowhere_else(allowing, tmp_path):
    public = tmp_path / "public"
    public.mkdir()
    (public / "out").symlink_to("/etc")
    assert why_not_hostable(allowing(str(public)), str(public / "out"))


def test_all_of_it_when_the_operator_says_so_but_never_our_own_data(allowing, tmp_path):
    settings = allowing("*")
    assert (
        why_not_hostable(settings, "any.thing:app")
        == why_not_hostable(settings, "/usr/share")
        == ""
    )
    for folder in (tmp_path, tmp_path / "data", tmp_path / "data" / "rings", "/"):
        assert "Servescope's own data" in why_not_hostable(settings, str(folder))
    assert "*" not in offered_apps(settings)
    assert "SERVESCOPE_APPS=*" in hosting_rule(settings)


@pytest.mark.parametrize("app", ["", "app", "a:b:c", "relative/folder", "a b:c", ":app", "app:"])
def test_what_names_no_app_is_said(allowing, app):
    assert "neither module:attribute nor" in why_not_hostable(allowing("*"), app)


@pytest.mark.parametrize("entry", ["app", "relative/folder", ":app", "module:"])
def test_a_setting_that_names_no_app_stops_the_start(monkeypatch, entry):
    monkeypatch.setenv("SERVESCOPE_APPS", f"a:b,{entry}")
    with pytest.raises(SettingsError, match="SERVESCOPE_APPS") as caught:
        load_settings()
    assert "neither module:attribute" in str(caught.value)
