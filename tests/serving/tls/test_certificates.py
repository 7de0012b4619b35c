"""The self-signed pair: made once, private, renewed in time."""

from __future__ import annotations

import datetime as dt
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from servescope.errors import CertificateError
from servescope.records.listeners import SELF_SIGNED, ListenerOptions
from servescope.serving.tls import certificates
from servescope.serving.tls.certificates import (
    Pair,
    context_of,
    files_of,
    read_pair,
    self_signed_pair,
)

if TYPE_CHECKING:
    from pathlib import Path


def own_pair(data_folder: Path) -> Pair:
    files = files_of(ListenerOptions(certificate=SELF_SIGNED), data_folder)
    assert files is not None
    return read_pair(*files)


def test_without_a_certificate_there_is_no_tls_and_no_file(tmp_path):
    assert files_of(ListenerOptions(), tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_the_pair_is_made_once_and_nobody_else_may_read_it(tmp_path):
    certificate, key = self_signed_pair(tmp_path)
    before = certificate.read_bytes(), key.read_bytes()
    assert self_signed_pair(tmp_path) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in (certificate, key)] == [0o600, 0o600]
    assert stat.S_IMODE(certificate.parent.stat().st_mode) == 0o700


def test_the_certificate_is_for_this_machine(tmp_path):
    certificate = x509.load_pem_x509_certificate(self_signed_pair(tmp_path)[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["localhost", "127.0.0.1", "::1"]
    lasts = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=364) < lasts <= dt.timedelta(days=365)


@pytest.mark.parametrize("days", [-1, certificates.RENEW_DAYS - 1])
def test_one_that_has_expired_or_soon_will_is_renewed(tmp_path, monkeypatch, days):
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "VALID_DAYS", days)
        patch.setattr(certificates, "_SKEW", dt.timedelta(days=40))
        old = self_signed_pair(tmp_path)[0].read_bytes()
    new = self_signed_pair(tmp_path)[0].read_bytes()
    assert new != old
    assert self_signed_pair(tmp_path)[0].read_bytes() == new


@pytest.mark.parametrize("damage", ["certificate", "key"])
def test_a_damaged_or_incomplete_pair_is_made_anew(tmp_path, damage):
    pair = dict(zip(("certificate", "key"), self_signed_pair(tmp_path), strict=True))
    pair[damage].write_bytes(b"")
    assert context_of(own_pair(tmp_path))
    pair[damage].unlink()
    assert context_of(own_pair(tmp_path))


def test_many_that_ask_at_the_same_time_get_one_pair(tmp_path):
    found: list[Pair] = []

    def ask() -> None:
        found.append(own_pair(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len({(pair.certificate, pair.key) for pair in found}) == 1
    assert context_of(found[0])


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CertificateError, match="no self-signed certificate can be kept in"):
        own_pair(tmp_path / "file")
