"""Files by fingerprint: who may keep one for good, which representation it gets, what is kept."""

from __future__ import annotations

import gzip
import os
import re

import brotli
import pytest
from dash.exceptions import DependencyException

from components.delivery.sources import COMPILE_ALL, File
from components.delivery.static_files import ASK_AGAIN, FOR_GOOD, SUITES, FileCache, StaticFiles
from tests.components.delivery.conftest import RENDERER, SCRIPT

DECODE = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}


@pytest.fixture
def asset(files):
    """The URL of the script among the assets, with its fingerprint."""
    return files.asset_url("app.js")


@pytest.fixture
def component(files):
    """The URL of Dash's renderer: as Dash writes it, but for the fingerprint."""
    written = RENDERER.replace(".min", ".v4_4_1m1795879818.min")
    return files.url(f"/{SUITES}dash/{written}")


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        pytest.param(lambda url: url, FOR_GOOD, id="its own fingerprint"),
        pytest.param(lambda url: url[:-1] + "z", ASK_AGAIN, id="another fingerprint"),
        pytest.param(lambda url: url.partition("?")[0], ASK_AGAIN, id="none"),
        pytest.param(lambda url: url.partition("?")[0] + "?m=", ASK_AGAIN, id="an empty one"),
        pytest.param(
            lambda url: url.partition("?")[0] + "?m=1795892353.0086896", ASK_AGAIN, id="Dash's time"
        ),
        pytest.param(lambda url: url + "&m=0", FOR_GOOD, id="and then another"),
        pytest.param(lambda url: url + "&x=0", FOR_GOOD, id="and something else"),
    ],
)
def test_an_asset_is_kept_for_good_under_its_own_fingerprint_alone(client, asset, change, kept):
    answer = client.get(change(asset))
    assert (answer.status_code, answer.data) == (200, SCRIPT)
    assert answer.headers["Cache-Control"] == kept
    assert answer.headers["ETag"]


@pytest.mark.parametrize(
    ("pattern", "instead", "kept"),
    [
        pytest.param("^", "", FOR_GOOD, id="its own fingerprint"),
        pytest.param(r"m[0-9a-f]{16}\.", "m0123456789abcdef.", ASK_AGAIN, id="another fingerprint"),
        pytest.param(r"m[0-9a-f]{16}\.", "m1795879818.", ASK_AGAIN, id="Dash's time"),
        pytest.param(r"\.v[^.]*\.", ".", ASK_AGAIN, id="none"),
    ],
)
def test_a_component_is_kept_for_good_under_its_own_fingerprint_alone(
    client, component, pattern, instead, kept
):
    answer = client.get(re.sub(pattern, instead, component))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == kept
    assert answer.data == client.get(component).data


def test_components_in_a_wrapper_are_compiled_where_they_are_parsed(app):
    client = app.server.test_client()
    for name in (
        "dash_mantine_components/dash_mantine_components.js",
        "dash/dcc/dash_core_components.js",
    ):
        assert client.get(f"/{SUITES}{name}").data.startswith(COMPILE_ALL)
    assert not client.get(f"/{SUITES}dash/{RENDERER}").data.startswith(COMPILE_ALL)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        pytest.param(None, None, id="no field"),
        ("", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("gzip;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("*;q=0", None),
        ("zstd", None),
        ("gzip;q=nonsense", None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_coding_is_the_one_that_accept_encoding_prefers(
    client, asset, method, accepted, coding
):
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    answer = client.open(asset, method=method, headers=headers)
    assert answer.status_code == 200
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    whole = client.get(asset, headers=headers).data
    assert int(answer.headers["Content-Length"]) == len(whole)
    assert answer.data == (whole if method == "GET" else b"")
    assert DECODE[coding](whole) == SCRIPT


@pytest.mark.parametrize("name", ["small.js", "favicon.ico"])
def test_what_would_not_shrink_has_no_coding(files, client, name):
    answer = client.get(files.asset_url(name), headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Cache-Control"] == FOR_GOOD


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accepted", ["br", "gzip", "identity"])
def test_a_tag_names_one_representation_and_is_answered_with_304(client, asset, accepted, method):
    url, headers = asset.partition("?")[0], {"Accept-Encoding": accepted}
    tag = client.get(url, headers=headers).headers["ETag"]
    again = client.open(url, method=method, headers=headers | {"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"] == ASK_AGAIN
    assert again.headers["Vary"] == "Accept-Encoding"
    for other in {"br", "gzip", "identity"} - {accepted}:
        answer = client.get(url, headers={"Accept-Encoding": other, "If-None-Match": tag})
        assert (answer.status_code, answer.headers["ETag"] != tag) == (200, True)


def test_a_file_that_changes_has_another_fingerprint_and_other_bytes(files, client, folder, asset):
    before = client.get(asset, headers={"Accept-Encoding": "br"}).data
    changed = folder / "app.js"
    changed.write_bytes(SCRIPT.replace(b"many", b"few!"))
    os.utime(changed, ns=(1, 1))  # whatever the clock's resolution
    stale = client.get(asset, headers={"Accept-Encoding": "br"})
    assert brotli.decompress(stale.data) == SCRIPT.replace(b"many", b"few!")
    assert brotli.decompress(before) == SCRIPT
    assert stale.headers["Cache-Control"] == ASK_AGAIN
    assert files.asset_url("app.js") != asset


def test_made_up_queries_and_fingerprints_compress_nothing_anew(
    files, client, asset, component, monkeypatch
):
    headers = {"Accept-Encoding": "br"}
    first = [client.get(url, headers=headers).data for url in (asset, component)]
    kept = files.cache.kept_bytes
    assert kept == sum(map(len, first))

    def compress(*_):
        raise AssertionError("compressed again")

    monkeypatch.setattr("components.delivery.static_files.compress", compress)
    for number in range(300):
        other = re.sub(r"m[0-9a-f]{16}\.", f"m{number:016x}.", component)
        assert client.get(f"{asset}&x={number}", headers=headers).data == first[0]
        assert client.get(f"/assets/app.js?{number}", headers=headers).data == first[0]
        assert client.get(f"/assets/./app.js?{number}", headers=headers).data == first[0]
        assert client.get(other, headers=headers).data == first[1]
    assert files.cache.kept_bytes == kept


def test_no_more_is_kept_than_the_bound_allows(tmp_path):
    cache = FileCache(most_bytes=1_000)
    paths = []
    for number in range(20):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(os.urandom(300))
        paths.append(path)
    for path in paths:
        assert brotli.decompress(cache.content(File(path), "br")[1]) == path.read_bytes()
        assert cache.kept_bytes <= 1_000
    (tmp_path / "large.bin").write_bytes(os.urandom(2_000))
    assert len(cache.content(File(tmp_path / "large.bin"), "br")[1]) > 1_000
    assert cache.kept_bytes == 0


@pytest.mark.parametrize(
    "path",
    ["/assets/none.js", "/assets/vendor", "/assets/../secret", "/assets/%00.js", "/assets/a/../.."],
)
def test_what_is_no_file_of_the_folder_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_files_that_no_page_asks_for_are_refused(client):
    client.application.testing = True  # the error comes here
    with pytest.raises(DependencyException):
        client.get(f"/{SUITES}dash/dash.py")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/assets/app.js",
        "/elsewhere/app.js",
        "/assets/none.js?m=1795892353.0086896",
        f"/{SUITES}unknown/x.v1m2.js",
    ],
)
def test_urls_of_other_files_stay_as_they_are(files, url):
    assert files.url(url) == url


def test_below_a_prefix_urls_keep_it(folder):
    files = StaticFiles({}, folder, "/a/scope/")
    url = files.url("/a/scope/assets/app.js?m=1795892353.0086896")
    assert re.fullmatch(r"/a/scope/assets/app\.js\?m=[0-9a-f]{16}", url)
    assert files.asset_url("app.js") == url
    other = files.url(f"/a/scope/{SUITES}dash/dash-renderer/build/dash_renderer.v4m1.min.js")
    assert re.fullmatch(
        rf"/a/scope/{SUITES}dash/dash-renderer/build/dash_renderer\.v4m[0-9a-f]{{16}}\.min\.js",
        other,
    )
