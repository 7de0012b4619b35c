"""When files of a certificate are read again, by a clock of the test's own."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from servescope.errors import CertificateError
from servescope.records.listeners import SELF_SIGNED, ListenerOptions
from servescope.serving.tls import certificates
from servescope.serving.tls.certificates import self_signed_pair
from servescope.serving.tls.served_certificate import (
    REMAKE_S,
    RETRY_S,
    SETTLE_S,
    CertificateWatch,
)

if TYPE_CHECKING:
    from pathlib import Path


class Site:
    """Files of a certificate, and links to them as some renewals make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = folder / "now.pem", folder / "now.key"
        self.point_at("first")

    def point_at(self, name: str) -> None:
        """Let both links point at another pair."""
        for link, target in zip(
            (self.certificate, self.key), self_signed_pair(self.folder / name), strict=True
        ):
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def watch(self) -> CertificateWatch:
        options = ListenerOptions(certificate=str(self.certificate), key=str(self.key))
        watch = CertificateWatch.of(options, self.folder)
        assert watch is not None
        return watch


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_without_tls_there_is_nothing_to_watch(tmp_path):
    assert CertificateWatch.of(ListenerOptions(), tmp_path) is None


def test_links_that_point_elsewhere_are_a_change_once_they_lie_still(site):
    watch = site.watch()
    context, serial = watch.served.context, watch.shown.serial
    assert not watch.look(100.0)
    site.point_at("second")
    assert not watch.look(101.0)
    assert not watch.look(101.0 + 0.9 * SETTLE_S)
    assert watch.served.context is context
    assert watch.look(101.0 + SETTLE_S)
    assert watch.served.context is not context
    assert watch.shown.serial != serial
    assert watch.shown.read_s == 101.0 + SETTLE_S
    assert not watch.look(200.0)


def test_each_change_begins_the_wait_anew(site):
    watch = site.watch()
    site.point_at("second")
    assert not watch.look(100.0)
    site.point_at("third")
    assert not watch.look(100.0 + SETTLE_S)
    assert watch.look(100.0 + 2 * SETTLE_S)


def test_files_that_were_only_touched_change_nothing(site):
    watch = site.watch()
    context = watch.served.context
    site.certificate.touch()
    assert not watch.look(100.0)
    assert not watch.look(101.0)
    assert watch.served.context is context
    assert watch.problem == ""


def test_a_clock_that_is_set_back_holds_nothing_up(site):
    watch = site.watch()
    site.point_at("second")
    assert not watch.look(10_000.0)
    assert watch.look(50.0)


def test_what_cannot_be_used_is_told_once_and_tried_again(site, monkeypatch):
    watch = site.watch()
    ends = dt.datetime.fromtimestamp(watch.shown.ends_s, dt.UTC)
    site.point_at("second")
    watch.look(100.0)

    def scarce(_pair):
        raise CertificateError("it cannot be used now: Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("servescope.serving.tls.served_certificate.context_of", scarce)
        assert not watch.look(101.0)
    assert watch.problem == (
        "it cannot be used now: Too many open files; "
        f"the certificate that ends on {ends:%Y-%m-%d} stays in use"
    )
    assert not watch.look(101.0 + 0.9 * RETRY_S)
    assert watch.look(101.0 + RETRY_S)
    assert watch.problem == ""


def test_a_self_signed_pair_that_ends_soon_is_made_anew_while_it_is_in_use(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "VALID_DAYS", 31)
        watch = CertificateWatch.of(ListenerOptions(certificate=SELF_SIGNED), tmp_path)
    assert watch is not None
    serial, now_s = watch.shown.serial, watch.shown.read_s
    assert not watch.look(now_s)
    assert not watch.look(now_s + 2 * SETTLE_S)
    monkeypatch.setattr(certificates, "RENEW_DAYS", 40)  # as if ten days had passed
    monkeypatch.setattr("servescope.serving.tls.served_certificate.RENEW_DAYS", 40)
    later_s = now_s + REMAKE_S
    assert not watch.look(later_s)
    assert watch.look(later_s + SETTLE_S)
    assert watch.shown.serial != serial
    assert watch.shown.ends_s > now_s + 300 * 86_400


def test_a_certificate_file_with_words_and_a_chain_is_read_by_its_first(site):
    first = site.certificate.read_bytes()
    other = self_signed_pair(site.folder / "other")[0].read_bytes()
    site.certificate.unlink()
    site.certificate.write_bytes("# für die Seite\n".encode() + first + b"\n" + other)
    watch = site.watch()
    serial = watch.shown.serial
    site.certificate.write_bytes(first)
    assert not watch.look(100.0)
    assert watch.look(101.0)
    assert watch.shown.serial == serial
