"""`serve --reload`: an edited app answers anew, a broken one as before, and no request fails."""

import http.client
import os
import signal
import threading
from contextlib import closing

import pytest

from tests.commands.served import Served
from tests.processes import alive, children, eventually

pytestmark = pytest.mark.process

WSGI = """
import words

def create_app(name):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{name} {words.WORD}".encode()]
    return app
"""
ASGI = """
import words

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"it {words.WORD}".encode()})
"""
SECOND_NS = 10**9
PAUSE_S = 0.005
HOSTINGS = {
    "thread_pool": (WSGI, "shop:create_app('it')"),
    "prefork": (WSGI, "shop:create_app('it')", "--model", "prefork", "--workers", "2"),
    "asyncio": (ASGI, "shop:app"),
}


class Shop:
    """A served app that is edited, and clients that ask every few milliseconds."""

    def __init__(self, folder, source, *given):
        self.folder = folder
        self.write(shop=source, words="WORD = 'one'")
        self.served = Served(folder / "data", *given, "--port", "0", "--reload")
        self.lines = [self.served.line]
        self.failures = []
        self.answers = 0
        self._resting = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_log),
            *(threading.Thread(target=self._ask_on) for _ in range(3)),
        ]
        for thread in self._threads:
            thread.start()

    def write(self, at_ns=None, **sources):
        for name, text in sources.items():
            draft = self.folder / f"{name}.draft"
            draft.write_text(text)
            if at_ns is not None:
                os.utime(draft, ns=(at_ns, at_ns))
            draft.replace(self.folder / f"{name}.py")

    def _follow_log(self):
        self.lines += self.served.process.stdout

    def _ask_on(self):
        with closing(self.connect()) as connection:
            while not self._resting.wait(PAUSE_S):
                try:
                    connection.request("GET", "/")
                    response = connection.getresponse()
                    response.read()
                    self.answers += response.status == 200
                    if response.status != 200:
                        self.failures.append(response.status)
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(error)
                    connection.close()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)

    def answer(self):
        with closing(self.connect()) as connection:
            connection.request("GET", "/")
            return connection.getresponse().read()

    def comes_to_answer(self, word):
        eventually(lambda: self.answer() == b"it " + word, 60, what=f"{word}: {self.lines}")

    def comes_to_tell(self, words, times=1):
        def told():
            return sum(words in line for line in self.lines) >= times

        eventually(told, 60, what=f"{words}: {self.lines}")

    def rest(self):
        self._resting.set()
        for thread in self._threads[1:]:
            thread.join(60)

    def close(self):
        self.rest()
        self.served.close()
        self._threads[0].join(60)


@pytest.fixture
def shop(request, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    shop = Shop(tmp_path, *HOSTINGS[request.param])
    yield shop
    shop.close()


@pytest.mark.parametrize("shop", HOSTINGS, indirect=True)
def test_an_edit_is_served_and_a_broken_one_is_told(shop):
    shop.comes_to_answer(b"one")
    shop.write(words="WORD = 'two'")
    shop.comes_to_answer(b"two")
    shop.comes_to_tell("shop reloaded for words.py")
    # As long as before, and within the same second: bytecode in a file would pass for up to date.
    written = (shop.folder / "words.py").stat().st_mtime_ns // SECOND_NS * SECOND_NS
    shop.write(at_ns=written + 123_456_789, words="WORD = 'six'")
    shop.comes_to_answer(b"six")
    shop.comes_to_tell("shop reloaded for words.py", times=2)
    shop.write(words="WORD = 'thr")
    shop.comes_to_tell(
        "SyntaxError: unterminated string literal (detected at line 1) (words.py, line"
    )
    assert shop.answer() == b"it six"
    shop.write(words="from more_words import WORD")
    shop.comes_to_tell("No module named 'more_words'; still as before")
    assert shop.answer() == b"it six"
    shop.write(more_words="WORD = 'four'")
    shop.comes_to_answer(b"four")
    shop.rest()
    assert not shop.failures
    assert shop.answers > 10
    known = children(shop.served.process.pid)
    assert shop.served.end() == 0
    eventually(lambda: not any(map(alive, known)))


@pytest.mark.parametrize("shop", ["thread_pool"], indirect=True)
def test_a_worker_that_dies_is_replaced_by_one_with_the_present_source(shop):
    shop.comes_to_answer(b"one")
    (worker,) = children(shop.served.process.pid)
    shop.rest()
    os.kill(worker, signal.SIGKILL)
    shop.comes_to_tell("replacing it")
    shop.comes_to_answer(b"one")
