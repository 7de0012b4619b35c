"""The policy of pages on media: from any port of the visitor's host, and from nowhere else."""

from __future__ import annotations

import pytest

from components.client import Visitor
from components.delivery.security_headers import media_directive, media_hosts


@pytest.mark.parametrize(
    ("visitor", "sources"),
    [
        (Visitor(is_local=True), ["127.0.0.1", "localhost"]),
        (Visitor(is_local=False, host="192.0.2.7"), ["192.0.2.7"]),
        (Visitor(is_local=False, host="status.example.org"), ["status.example.org"]),
        (Visitor(is_local=False, host="[2001:db8::1]"), []),
        (Visitor(is_local=False, host="x; script-src *"), []),
        (Visitor(is_local=False), []),
    ],
    ids=["at this machine", "an address", "a name", "IPv6", "no host", "unknown"],
)
def test_media_come_from_the_host_of_the_page(visitor, sources):
    assert list(media_hosts(visitor)) == sources
    allowed = [f"{scheme}://{host}:*" for host in sources for scheme in ("http", "https")]
    assert media_directive(visitor) == " ".join(["; media-src 'self'", *allowed])
