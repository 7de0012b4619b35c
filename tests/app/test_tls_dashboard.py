"""A dashboard whose listeners are behind TLS and at a unix socket, as a real process."""

import ssl

import httpx
import pytest

from servescope.control import Control
from servescope.records.listeners import ListenerState
from tests.processes import eventually

pytestmark = pytest.mark.process


def test_https_and_a_unix_socket_by_the_settings(start_dashboard, tmp_path):
    path = tmp_path / "wsgi.sock"
    dashboard = start_dashboard(
        FILES_TLS_CERTIFICATE="self-signed",
        WSGI_ADDRESS=f"unix:{path}",
        ASGI_ADDRESS="::1",
        ASGI_TLS_CERTIFICATE="self-signed",
        BACKLOG="64",
    )
    trust = ssl.create_default_context(cafile=str(dashboard.folder / "tls" / "self-signed.pem"))
    files, wsgi, asgi = (
        eventually(lambda n=n: dashboard.listener(n)) for n in ("files", "wsgi", "asgi")
    )
    assert files.url == f"https://127.0.0.1:{files.port}/"
    assert asgi.url == f"https://[::1]:{asgi.port}/"
    assert (wsgi.url, wsgi.port) == (f"unix:{path}", 0)
    with httpx.Client(verify=trust) as client:
        assert client.get(files.url).status_code == 200
        assert client.get(asgi.url).status_code == 200
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.get("http://localhost/").status_code == 200
    assert dashboard.end() in {0, -15, 143}
    assert not path.exists()


def test_a_certificate_that_is_missing_is_told_and_the_others_serve(start_dashboard, tmp_path):
    missing = tmp_path / "none.pem"
    dashboard = start_dashboard(ready=False, FILES_TLS_CERTIFICATE=str(missing))
    eventually(lambda: dashboard.listener("wsgi"))
    control = Control(dashboard.folder)
    try:
        files = next(one for one in control.listeners.statuses() if one.name == "files")
    finally:
        control.close()
    assert files.state is ListenerState.FAILED
    assert files.message == f"the certificate {missing} cannot be read: No such file or directory"
    eventually(lambda: str(missing) in dashboard.log)
