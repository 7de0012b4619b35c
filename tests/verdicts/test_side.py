"""The sides of a comparison: what may be named, and what is refused with a reason."""

import socket
from pathlib import Path

import pytest

from servescope.errors import AppImportError, UsageError
from servescope.load.targets import Target
from servescope.verdicts.side import AppSide, ServerSide, side_of

NOWHERE = Path("/dev/null/checkout")  # nothing is written


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://127.0.0.1:8000", ("127.0.0.1", 8000, "127.0.0.1:8000")),
        ("http://127.0.0.1:8000/", ("127.0.0.1", 8000, "127.0.0.1:8000")),
        ("http://127.1.2.3", ("127.1.2.3", 80, "127.1.2.3")),
        ("http://[::1]:8000", ("::1", 8000, "[::1]:8000")),
    ],
)
def test_a_server_on_this_machine_is_named_by_its_url(text, target):
    assert side_of(text, NOWHERE) == ServerSide(Target(*target))


def test_a_host_that_the_operator_named_is_resolved_and_checked():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"http://localhost:{listening.getsockname()[1]}"
        named = side_of(origin, NOWHERE, (origin,))
        https = side_of(origin.replace("http", "https"), NOWHERE, (f"https{origin[4:]}",))
    assert (named.target.address, named.label, named.target.trust) == (
        "127.0.0.1",
        f"server {origin}",
        None,
    )
    assert https.target.trust.server_name == "localhost"
    with pytest.raises(UsageError, match="accepts no connection"):
        side_of(origin, NOWHERE, (origin,))


def test_a_name_is_resolved_once_to_an_address():
    assert side_of("http://localhost:8000", NOWHERE).target.address in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("given", "app", "folder"),
    [
        ("shop:app@{}", "shop:app", "."),
        ("shop.web:app@{}/v2", "shop.web:app", "v2"),
        ('shop:create("me@home")@{}', 'shop:create("me@home")', "."),
    ],
    ids=["an attribute", "a folder below", "a factory with an at sign"],
)
def test_an_app_is_named_with_its_folder(given, app, folder, tmp_path):
    (tmp_path / "v2").mkdir()
    assert side_of(given.format(tmp_path), NOWHERE) == AppSide(app, (tmp_path / folder).resolve())


def test_an_app_without_a_folder_is_in_the_present_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert side_of("shop:app", NOWHERE) == AppSide("shop:app", tmp_path.resolve())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://192.0.2.1:80", "not this machine"),
        ("http://0.0.0.0:80", "not this machine"),
        ("https://127.0.0.1:8000", "http://ADDRESS:PORT"),
        ("ftp://127.0.0.1", "http://ADDRESS:PORT"),
        ("http://", "http://ADDRESS:PORT"),
        ("http://127.0.0.1:port", "no URL"),
        ("http://127.0.0.1:8000/cart", "--target"),
        ("http://user@127.0.0.1:8000", "--target"),
        ("shop:app@/no/such/folder", "no folder"),
        ("servescope.demo.flask_app:app@.", "same on both sides"),
    ],
)
def test_another_place_is_refused_with_a_reason(text, reason):
    with pytest.raises(UsageError, match=reason):
        side_of(text, NOWHERE)


def test_a_side_that_names_no_app_says_how_one_is_named():
    with pytest.raises(AppImportError, match="module:attribute"):
        side_of("shop", NOWHERE)
