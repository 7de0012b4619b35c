"""Clients people use, against every concurrency model: curl, requests, httpx, wrk, Chromium."""

from __future__ import annotations

import gc
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
import requests

from servescope.recording.recorder import Recorder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import start_listener
from servescope.serving.models import REGISTRY
from tests.browser.conftest import CHROMIUM, running_chromium
from tests.corpus.corpus_apps import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Curl = Callable[..., subprocess.CompletedProcess[bytes]]

PICTURES = 30
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">'
    '<rect width="8" height="8" fill="#369"/></svg>'
)
PAGE = f"""<!doctype html><title>loading</title><link rel=stylesheet href=style.css>
<div id=pictures>{"".join(f'<img src="{n}.svg">' for n in range(PICTURES))}</div>
<script src=script.js></script>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("real"))
    for number in range(PICTURES):
        (folder / f"{number}.svg").write_text(PICTURE)
    (folder / "page.html").write_text(PAGE)
    (folder / "style.css").write_text("body { background: rgb(1, 2, 3) }")
    (folder / "script.js").write_text("document.title = 'ran'")
    (folder / "large.bin").write_bytes(bytes(range(256)) * 12_000)
    return folder


@pytest.fixture(scope="module", params=list(REGISTRY))
def model(request: pytest.FixtureRequest) -> ConcurrencyModel:
    return request.param


@pytest.fixture(scope="module")
def urls(
    model: ConcurrencyModel, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Addresses of an echo and of the folder, on one model."""
    recorder = Recorder(tmp_path_factory.mktemp("rings"), capacity=2**12)
    apps = {
        "echo": (AppKind.WSGI, "tests.corpus.corpus_apps:wsgi_echo"),
        "files": (AppKind.STATIC, str(folder)),
    }
    running = {}
    for name, (kind, app) in apps.items():
        options = ListenerOptions(threads=4, workers=2)
        spec = ListenerSpec(name, "127.0.0.1", 0, model, kind, app, options=options)
        running[name] = start_listener(spec, recorder)
    yield {name: "http://{}:{}".format(*one.address) for name, one in running.items()}
    for listener in running.values():
        listener.stop(0.2)
    recorder.close()
    gc.collect()


@pytest.fixture
def curl(tmp_path: Path) -> Curl:
    def run(*arguments: str, data: bytes = b"", code: int = 0):
        command = ["curl", "-sS", "--max-time", "10", *arguments]
        done = subprocess.run(command, input=data, capture_output=True, cwd=tmp_path, check=False)
        assert done.returncode == code, done.stderr
        return done

    return run


STATUS = ("-o", "body", "-w", "%{http_code} %{http_version} %{num_connects}")


def test_curl_get_head_and_1_0(urls: dict[str, str], curl: Curl, tmp_path: Path):
    assert curl(urls["files"] + "/hello.txt").stdout == b"hello, world\n"
    assert curl(*STATUS, urls["echo"]).stdout == b"200 1.1 1"
    assert curl("--http1.0", *STATUS, urls["echo"]).stdout == b"200 1.1 1"
    assert (tmp_path / "body").read_bytes() == b""
    head = curl("-I", urls["files"] + "/hello.txt").stdout
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 13\r\n" in head
    assert curl("--head", "--http1.0", urls["files"] + "/none").stdout.startswith(b"HTTP/1.1 404 ")


def test_curl_reuses_its_connection(urls: dict[str, str], curl: Curl):
    told = curl(*STATUS, *[urls["echo"] + f"/{n}" for n in range(3)]).stdout
    assert re.fullmatch(rb"200 1.1 1.*200 1.1 0.*200 1.1 0", told, re.DOTALL) is not None


def test_curl_uploads(urls: dict[str, str], curl: Curl, tmp_path: Path):
    data = bytes(range(256)) * 12_000
    (tmp_path / "up").write_bytes(data)
    done = curl("-v", "-T", "up", urls["echo"] + "/put")
    assert done.stdout == data
    assert b"< HTTP/1.1 100 Continue" in done.stderr, "curl asks before it sends 3 MB"
    done = curl("-v", "-T", "-", urls["echo"] + "/chunked", data=data)
    assert b"> Transfer-Encoding: chunked" in done.stderr
    assert done.stdout == data
    assert curl("-d", "a=1&b=2", urls["echo"]).stdout == b"a=1&b=2"
    done = curl("-v", "-H", "Expect: 100-continue", "-d", "x", urls["echo"])
    assert done.stdout == b"x"
    assert b"< HTTP/1.1 100 Continue" in done.stderr
    form = curl("-F", "f=@up;filename=n", urls["echo"]).stdout
    assert data in form


def test_curl_is_told_that_an_upload_is_not_wanted(
    urls: dict[str, str], curl: Curl, tmp_path: Path
):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    assert curl("-T", "huge", *STATUS, urls["echo"] + "/").stdout.startswith(b"413 ")
    (tmp_path / "small").write_bytes(b"x" * 100_000)
    without = ("-H", "Expect:")
    assert curl(*without, "-T", "small", *STATUS, urls["files"] + "/x").stdout.startswith(b"405 ")


def test_curl_asks_for_parts_and_versions(urls: dict[str, str], curl: Curl, tmp_path: Path):
    hello = urls["files"] + "/hello.txt"
    assert curl("-r", "0-4", hello).stdout == b"hello"
    assert curl("-r", "-6", hello).stdout == b"world\n"
    (tmp_path / "part").write_bytes(b"hello")
    curl("-C", "-", "-o", "part", hello)
    assert (tmp_path / "part").read_bytes() == b"hello, world\n"
    assert curl("-r", "99-", *STATUS, hello).stdout.startswith(b"416 ")
    curl("--etag-save", "tag", "-o", "body", hello)
    assert curl("--etag-compare", "tag", *STATUS, hello).stdout.startswith(b"304 ")
    assert curl("-z", "Thu, 01 Jan 2026 00:00:00 GMT", *STATUS, hello).stdout.startswith(b"304 ")
    assert curl("--compressed", hello).stdout == b"hello, world\n"
    large = curl(urls["files"] + "/large.bin").stdout
    assert large == bytes(range(256)) * 12_000


def test_curl_in_the_other_forms_of_a_target(urls: dict[str, str], curl: Curl):
    base = urls["echo"]
    proxied = curl("-x", base, "-D", "-", "http://b.example/p?q").stdout
    assert b"X-Host: b.example\r\n" in proxied
    assert b"X-Target: /p?q\r\n" in proxied
    told = curl("-D", "-", "-X", "OPTIONS", "--request-target", "*", base).stdout
    assert b"X-Target: *\r\n" in told
    outside = curl("--path-as-is", *STATUS, urls["files"] + "/../secret.txt").stdout
    assert outside.startswith(b"404 ")
    assert b"X-Path: /a b\r\n" in curl("-D", "-", base + "/a%20b").stdout


def test_curl_with_newer_versions(urls: dict[str, str], curl: Curl):
    assert curl("--http2", *STATUS, urls["echo"]).stdout.startswith(b"200 1.1")
    curl("-k", urls["echo"].replace("http:", "https:"), code=35)


def test_requests(urls: dict[str, str]):
    with requests.Session() as session:
        assert session.get(urls["files"] + "/sub").url == urls["files"] + "/sub/"
        parts = (b"p" * 1_000 for _ in range(100))
        assert session.post(urls["echo"], data=parts, timeout=10).content == b"p" * 100_000
        answer = session.post(urls["echo"], files={"f": b"file"}, timeout=10)
        assert b"file" in answer.content
        session.cookies.set("a", "1")
        assert session.get(urls["echo"], timeout=10).headers["X-Cookie"] == "a=1"
        with session.get(urls["files"] + "/large.bin", stream=True, timeout=10) as answer:
            sizes = [len(part) for part in answer.iter_content(100_000)]
        assert sum(sizes) == 256 * 12_000
        assert session.get(urls["files"] + "/%2e%2e/secret.txt", timeout=10).status_code == 404


def test_httpx_side_by_side(urls: dict[str, str], model: ConcurrencyModel):
    # Sequential closes a kept connection when another waits, which a client may meet in its send.
    at_a_time = 1 if model is ConcurrencyModel.SEQUENTIAL else 8

    def ask(number: int) -> str:
        return client.post(urls["echo"], content=b"%d" % number).text

    with httpx.Client(timeout=20) as client, ThreadPoolExecutor(at_a_time) as threads:
        assert list(threads.map(ask, range(80))) == [str(n) for n in range(80)]


ENOUGH = """
local answered = 0
function response()
  answered = answered + 1
  if answered == 1000 then wrk.thread:stop() end
end
"""


def test_wrk(urls: dict[str, str], model: ConcurrencyModel, tmp_path: Path):
    """A thousand requests as fast as they are answered, or those of a second."""
    # A kept connection waits for the first one, where one is served at a time.
    connections = "1" if model is ConcurrencyModel.SEQUENTIAL else "8"
    script = tmp_path / "enough.lua"
    script.write_text(ENOUGH)
    url = urls["files"] + "/hello.txt"
    command = ["wrk", "-t1", f"-c{connections}", "-d1s", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(re.search(r"(\d+) requests in", told)[1]) > 100
    assert "Socket errors" not in told
    assert "Non-2xx" not in told


@pytest.fixture(scope="module")
def chromium():
    with running_chromium(executable=CHROMIUM) as browser:
        yield browser


@pytest.mark.browser
def test_chromium_loads_a_page_of_many_parts(urls: dict[str, str], chromium):
    with chromium.new_page() as page:
        statuses = []
        page.on("response", lambda answer: statuses.append(answer.status))
        page.goto(urls["files"] + "/page.html", wait_until="load")
        assert page.title() == "ran"
        loaded = "[...document.images].filter(one => one.naturalWidth == 8).length"
        assert page.evaluate(loaded) == PICTURES
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 3)"
        assert statuses.count(200) >= PICTURES + 3
        page.reload(wait_until="load")
        assert page.evaluate(loaded) == PICTURES
    with chromium.new_page() as page:
        page.goto(urls["echo"] + "/")
        ask = "body => fetch('/f', {method: 'PUT', body}).then(answer => answer.text())"
        assert page.evaluate(ask, "x" * 200_000) == "x" * 200_000
