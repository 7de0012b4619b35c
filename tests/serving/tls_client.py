"""A listener behind TLS and its clients, for tests."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from servescope.serving.tls.certificates import context_of, read_pair, self_signed_pair

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.serving import RunningListener


def trusting(data_folder: Path) -> ssl.SSLContext:
    """A client's context that trusts the self-signed certificate of a data folder."""
    certificate, _ = self_signed_pair(data_folder)
    return ssl.create_default_context(cafile=str(certificate))


def serving(data_folder: Path) -> ssl.SSLContext:
    """A server's context with the self-signed pair of a data folder."""
    return context_of(read_pair(*self_signed_pair(data_folder)))


def connect_tls(
    listener: RunningListener, context: ssl.SSLContext, name: str = "localhost"
) -> ssl.SSLSocket:
    plain = socket.create_connection(listener.address, timeout=10)
    return context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)
