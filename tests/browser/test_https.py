"""Listeners behind TLS as a person sees them: the certificate, its renewal, and load on them."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing

import pytest
from cryptography import x509

from servescope.records.load import RunState
from servescope.serving.tls.certificates import self_signed_pair
from servescope.store.sqlite.store import open_store
from tests.browser.test_load import figure, fill, newest_run
from tests.browser.test_servers import choose, wait_card
from tests.faults.test_handover import total_requests
from tests.processes import Dashboards, eventually

pytestmark = pytest.mark.browser


class Files:
    """The files of the listener `files`, and how they are renewed."""

    def __init__(self, folder):
        self._folder = folder
        self.certificate, self.key = folder / "site.pem", folder / "site.key"

    def renew(self):
        """New files in the place of the old ones; the serial number of the certificate."""
        certificate, key = self_signed_pair(
            self._folder / f"made-{len(list(self._folder.iterdir()))}"
        )
        self.certificate.write_bytes(certificate.read_bytes())
        self.key.write_bytes(key.read_bytes())
        return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("certificates"))
    files.renew()
    return files


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory, files):
    """One whose `files` and `asgi` are behind TLS, with a pair of files and the self-signed one."""
    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    yield dashboards(
        FILES_TLS_CERTIFICATE=str(files.certificate),
        FILES_TLS_KEY=str(files.key),
        ASGI_TLS_CERTIFICATE="self-signed",
    )
    dashboards.end()


def seen(dashboard):
    """The serial number a client of `files` sees."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = dashboard.port("files")
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)) as it:
        it.connect()
        der = it.sock.getpeercert(binary_form=True)
        it.request("GET", "/")
        assert it.getresponse().status == 200
    return x509.load_der_x509_certificate(der).serial_number


def test_a_renewed_certificate_is_on_the_card_and_a_broken_one_is_told(open_page, dashboard, files):
    opened = open_page("/servers").wait_drawn("servers-rate")
    wait_card(opened, "files", f"serial …{seen(dashboard):x}"[:8])
    wait_card(opened, "files", "364 days left")
    since = dashboard.listener("files").since_s
    serial = files.renew()
    wait_card(opened, "files", f"serial …{f'{serial:x}'[-8:]}")
    eventually(lambda: seen(dashboard) == serial)
    assert dashboard.listener("files").since_s == since, "no restart"
    with closing(dashboard.control) as control:
        texts = [event.text for event in control.events.between(0, 2**40)]
    assert any("files: renewed certificate" in text for text in texts)
    files.key.write_text("no key")
    wait_card(opened, "files", "are no certificate and key in PEM form; the certificate that ends")
    assert seen(dashboard) == serial
    serial = files.renew()
    wait_card(opened, "files", f"serial …{f'{serial:x}'[-8:]}")
    opened.until(
        "!document.querySelector('.server-card[data-listener=files]')"
        ".innerText.includes('stays in use')"
    )
    assert (
        "Certificate" not in opened.page.locator('.server-card[data-listener="wsgi"]').inner_text()
    )


def test_the_page_of_a_request_names_tls_version_and_cipher_suite(open_page, dashboard):
    seen(dashboard)

    def newest():
        with closing(open_store(dashboard.folder)) as store:
            details = store.request_details(50)
        return next((number for number, one in details if one.listener == "files"), 0)

    page = open_page(f"/requests/{eventually(newest)}").page
    page.get_by_text("TLS 1.3, TLS_").wait_for()


@pytest.mark.parametrize(("listener", "path"), [("files", "/welcome/"), ("asgi", "/whoami")])
def test_load_on_a_listener_behind_tls_from_start_to_result(open_page, dashboard, listener, path):
    opened = open_page("/load").wait_drawn("load-rates")
    before = total_requests(dashboard.folder, listener)
    choose(opened, "Listener", listener)
    fill(opened, "Path and query", path)
    fill(opened, "Requests per second", 100)
    fill(opened, "Seconds", 3)
    opened.page.get_by_role("button", name="Start", exact=True).click()
    opened.page.locator("#run-strip").get_by_text("Load run").wait_for()
    opened.page.locator("#load-now").get_by_text("done", exact=True).wait_for()
    run = newest_run(dashboard)
    assert run.state is RunState.DONE
    assert run.plan.listener == listener
    assert run.result["sent"] == run.result["answered"] == 300
    assert run.result["statuses"] == {"200": 300}
    assert figure(opened, "due") == figure(opened, "answered") == 300
    eventually(lambda: total_requests(dashboard.folder, listener) == before + 300)
