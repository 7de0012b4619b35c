"""The in-browser debugger as a person turns it on: by a setting of the whole program."""

import re
import urllib.error
import urllib.request

import pytest

from tests.processes import eventually

pytestmark = pytest.mark.process


def failure_of(port):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/error", timeout=10)
    with caught.value as answer:
        return answer.code, answer.read().decode()


def test_it_is_on_by_its_setting_and_the_log_tells_the_pin(start_dashboard):
    dashboard = start_dashboard(WSGI_DEBUGGER="true")
    eventually(lambda: re.search(r"listener wsgi: debugger is on, PIN \d", dashboard.log))
    status, page = failure_of(dashboard.port("wsgi"))
    assert status == 500
    assert "DeliberateError: /error was asked for" in page
    assert "EVALEX_TRUSTED = false" in page


def test_it_is_off_without_it(start_dashboard):
    status, page = failure_of(start_dashboard().port("wsgi"))
    assert status == 500
    assert "Traceback" not in page
