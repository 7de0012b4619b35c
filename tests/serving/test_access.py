from __future__ import annotations

import pytest

from servescope.errors import ListenerError
from servescope.serving.access import AccessList


@pytest.mark.parametrize(
    ("deny", "allow", "address", "denied"),
    [
        ((), (), "192.0.2.1", False),
        (("192.0.2.1",), (), "192.0.2.1", True),
        (("192.0.2.1",), (), "192.0.2.2", False),
        (("192.0.2.0/24",), (), "192.0.2.200", True),
        (("192.0.2.7/24",), (), "192.0.2.200", True),
        (("192.0.2.0/24",), (), "::ffff:192.0.2.9", True),
        (("2001:db8::/32",), (), "2001:db8::1", True),
        (("fe80::/10",), (), "fe80::1%eth0", True),
        (("2001:db8::/32",), (), "192.0.2.1", False),
        ((), ("192.0.2.0/24",), "192.0.2.1", False),
        ((), ("192.0.2.0/24",), "198.51.100.1", True),
        (("192.0.2.1",), ("192.0.2.0/24",), "192.0.2.1", True),
        (("0.0.0.0/0",), (), "192.0.2.1", True),
    ],
)
def test_who_is_denied(deny, allow, address, denied):
    access = AccessList(deny, allow)
    assert access.denies(address) is denied
    assert access.denies(address) is denied, "the second answer is remembered"


@pytest.mark.parametrize("entry", ["", "localhost", "10.0.0.0/33", "1.2.3"])
def test_an_entry_that_is_none(entry: str):
    with pytest.raises(ListenerError, match="neither an address nor a network"):
        AccessList(deny=(entry,))
