"""Cipher suites of TLS: numbers, names, and the version that a number tells."""

from __future__ import annotations

import ssl

import pytest

from servescope.wire import cipher_suites


@pytest.mark.parametrize(
    ("name", "number", "version"),
    [
        ("TLS_AES_256_GCM_SHA384", 0x1302, "TLS 1.3"),
        ("TLS_CHACHA20_POLY1305_SHA256", 0x1303, "TLS 1.3"),
        ("ECDHE-RSA-AES128-GCM-SHA256", 0xC02F, "TLS 1.2"),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C, "TLS 1.2"),
    ],
)
def test_a_suite_has_the_number_of_the_registry_and_tells_its_version(name, number, version):
    assert cipher_suites.number_of(name) == number
    assert cipher_suites.words(number) == f"{version}, {name}"


def test_each_suite_that_a_connection_may_agree_on_has_a_number_of_its_own():
    offered = ssl.create_default_context().get_ciphers()
    numbers = {cipher_suites.number_of(suite["name"]) for suite in offered}
    assert cipher_suites.UNKNOWN not in numbers
    assert len(numbers) == len(offered)


def test_a_suite_that_this_openssl_does_not_know_is_named_by_its_number():
    assert cipher_suites.number_of("TLS_OF_TOMORROW") == cipher_suites.UNKNOWN
    assert cipher_suites.words(0x13FE) == "TLS 1.3, cipher suite 0x13fe"
    assert cipher_suites.words(0xFEFE) == "TLS 1.2, cipher suite 0xfefe"
