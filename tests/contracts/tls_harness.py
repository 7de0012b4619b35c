"""Listeners behind TLS, for the contracts, and pairs of certificate and key."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization as as_bytes

from servescope.records.listeners import SELF_SIGNED, AppKind, ConcurrencyModel
from servescope.serving.tls.certificates import self_signed_pair
from tests.contracts.harness import APPS, ModelHarness
from tests.serving.tls_client import trusting

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.serving import RunningListener


class TlsHarness(ModelHarness):
    """A harness whose listeners are behind TLS, with the self-signed pair unless told otherwise."""

    def __init__(self, folder: Path, model: ConcurrencyModel) -> None:
        super().__init__(folder, model, AppKind.WSGI)
        self.trust = trusting(folder)
        self.certificate, self.key = self_signed_pair(folder)

    def start_tls(
        self, app: str = APPS[AppKind.WSGI], kind: AppKind = AppKind.WSGI, **options
    ) -> RunningListener:
        return self.start(app, kind, **{"certificate": SELF_SIGNED, **options})

    def https(self, listener: RunningListener) -> closing[http.client.HTTPSConnection]:
        return closing(
            http.client.HTTPSConnection(*listener.address, timeout=20, context=self.trust)
        )


class TlsPair:
    """A pair of its own, and its key with a passphrase."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = self_signed_pair(folder)

    def encrypted_key(self) -> bytes:
        key = as_bytes.load_pem_private_key(self.key.read_bytes(), None)
        return key.private_bytes(
            as_bytes.Encoding.PEM,
            as_bytes.PrivateFormat.PKCS8,
            as_bytes.BestAvailableEncryption(b"secret"),
        )
