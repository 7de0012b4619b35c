"""A page opened as a browser does it: each byte told of is one that a proxy between them saw."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from servescope.chapters.web_server import CHAPTER
from servescope.experiments.bundled_listeners import SITE
from servescope.runtime.experiments import ExperimentReconciler
from tests.experiments.conftest import Experimenter, bytes_of
from tests.recording_proxy import RecordingProxy

PROXIES = []


class ProxiedReconciler(ExperimentReconciler):
    """Experiments ask a recording proxy instead of their listener."""

    @contextmanager
    def listener(self, *given):
        with super().listener(*given) as process:
            proxy = RecordingProxy(process.address)
            PROXIES.append(proxy)
            try:
                yield SimpleNamespace(address=proxy.address)
            finally:
                proxy.close()


@pytest.fixture
def proxied(tmp_path):
    experimenter = Experimenter(tmp_path, ProxiedReconciler)
    yield experimenter
    experimenter.stop()
    PROXIES.clear()


def test_the_bytes_shown_are_those_that_a_proxy_saw(proxied):
    measured = proxied.carry_out(CHAPTER, CHAPTER.setting("page")).measured
    (proxy,) = PROXIES
    assert (measured["sent"], measured["received"]) == (len(proxy.sent), len(proxy.received))
    assert proxy.sent.count(b"GET ") == len(measured["files"])
    shown_sent = bytes_of(measured["steps"], "client").encode()
    shown_received = bytes_of(measured["steps"], "server").encode()
    assert shown_sent == proxy.sent[: len(shown_sent)]
    assert shown_received == proxy.received[: len(shown_received)]
    assert shown_received.endswith((SITE / "welcome" / "index.html").read_bytes())
    moments = [one["at_ms"] for one in measured["steps"]]
    assert moments == sorted(moments)
    for one in measured["files"][1:]:
        assert one["content"] == (SITE / one["target"].lstrip("/")).stat().st_size


def test_a_redirect_is_followed(experimenter):
    measured = experimenter.carry_out(CHAPTER, CHAPTER.setting("without-slash")).measured
    first, second, *_ = measured["files"]
    assert (first["target"], second["target"]) == ("/welcome", "/welcome/")
    assert 300 <= first["status"] < 400
    assert second["status"] == 200
