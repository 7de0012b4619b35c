from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.records.listeners import UNIX
from servescope.wire.forwarded import (
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    ForwardedRequest,
    TrustedProxies,
    read_host,
    read_node,
)

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:aaaa::/48", UNIX])
MODERN = TrustedProxies(["10.0.0.0/8", "2001:db8:aaaa::/48", UNIX], [FORWARDED])
PROXY = "10.0.0.1"
CLIENT = "192.0.2.7"


def resolve(proxies: TrustedProxies, peer: str, **fields: str) -> ForwardedRequest | None:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return proxies.resolve(peer, lambda name: named.get(name, ""))


def client_of(value: str, peer: str = PROXY) -> tuple[str, int]:
    found = resolve(PROXIES, peer, x_forwarded_for=value)
    assert found is not None
    return found.address, found.port


@pytest.mark.parametrize(
    ("value", "address", "port"),
    [
        pytest.param(CLIENT, CLIENT, 0, id="an address"),
        pytest.param(" 192.0.2.7\t", CLIENT, 0, id="white space around it"),
        pytest.param("192.0.2.7:4711", CLIENT, 4711, id="with its port"),
        pytest.param("192.0.2.7:_secret", CLIENT, 0, id="an obfuscated port"),
        pytest.param("2001:DB8::0:7", "2001:db8::7", 0, id="IPv6 in its normal form"),
        pytest.param("[2001:db8::7]", "2001:db8::7", 0, id="IPv6 in brackets"),
        pytest.param("[2001:db8::7]:4711", "2001:db8::7", 4711, id="IPv6 with a port"),
        pytest.param("::ffff:192.0.2.7", CLIENT, 0, id="IPv4 in IPv6 clothes"),
        pytest.param("198.51.100.1, 192.0.2.7", CLIENT, 0, id="never the left-most"),
        pytest.param("192.0.2.7, 10.0.0.2", CLIENT, 0, id="through two proxies"),
        pytest.param("192.0.2.7,2001:db8:aaaa::1,10.9.9.9", CLIENT, 0, id="through three"),
        pytest.param("10.0.0.2, 192.0.2.7", CLIENT, 0, id="a proxy's address that a client made"),
        pytest.param("10.0.0.3, 10.0.0.2", "10.0.0.3", 0, id="a proxy is the client"),
        pytest.param("", "", 0, id="told nothing"),
        pytest.param("unknown", "", 0, id="unknown"),
        pytest.param("_hidden", "", 0, id="obfuscated"),
        pytest.param("unix:", "", 0, id="nginx behind a unix socket"),
        pytest.param("192.0.2.7, unknown", "", 0, id="nothing is believed left of unknown"),
        pytest.param("192.0.2.7, unknown, 10.0.0.2", "10.0.0.2", 0, id="the last one known"),
        pytest.param("192.0.2.7,", "", 0, id="an empty entry is the proxy's"),
        pytest.param("192.0.2.7:", "", 0, id="a colon too many"),
        pytest.param("192.0.2.7:65536", "", 0, id="no port"),
        pytest.param("192.0.2.7:٤", "", 0, id="digits of another script"),
        pytest.param("192.0.2.007", "", 0, id="leading zeros"),
        pytest.param("3221225991", "", 0, id="a whole number"),
        pytest.param("[192.0.2.7]", "", 0, id="IPv4 in brackets"),
        pytest.param("[2001:db8::7", "", 0, id="an open bracket"),
        pytest.param("[2001:db8::7]4711", "", 0, id="a port without its colon"),
        pytest.param("fe80::1%eth0", "", 0, id="a zone"),
        pytest.param('"192.0.2.7"', "", 0, id="quotes"),
        pytest.param("<script>", "", 0, id="garbage"),
    ],
)
def test_the_client_by_x_forwarded_for(value, address, port):
    assert client_of(value) == (address, port)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("for=192.0.2.7", ForwardedRequest(CLIENT), id="an address"),
        pytest.param(
            "For=192.0.2.7;PROTO=https;by=10.0.0.1;host=example.org",
            ForwardedRequest(CLIENT, 0, "https", "example.org"),
            id="all of it",
        ),
        pytest.param(
            'for="[2001:db8::7]:4711" ; host="example.org:8443"',
            ForwardedRequest("2001:db8::7", 4711, "", "example.org:8443"),
            id="quoted",
        ),
        pytest.param(
            "for=198.51.100.1;proto=http;host=evil.example, for=192.0.2.7;proto=https",
            ForwardedRequest(CLIENT, 0, "https"),
            id="never the left-most",
        ),
        pytest.param(
            "for=192.0.2.7;proto=https;host=example.org, for=10.0.0.2;proto=http;host=inner",
            ForwardedRequest(CLIENT, 0, "https", "example.org"),
            id="what the outermost proxy was asked for",
        ),
        pytest.param(
            "for=unknown;proto=https", ForwardedRequest("", 0, "https"), id="unknown with a scheme"
        ),
        pytest.param("for=_hidden, for=10.0.0.2", ForwardedRequest("10.0.0.2"), id="obfuscated"),
        pytest.param("proto=https", ForwardedRequest("", 0, "https"), id="without an address"),
        pytest.param('for=", for=192.0.2.7', ForwardedRequest(CLIENT), id="a client's open quote"),
        pytest.param('for="\\", for=192.0.2.7', ForwardedRequest(CLIENT), id="and an escape"),
        pytest.param(";for=192.0.2.7;", ForwardedRequest(CLIENT), id="empty pairs"),
        pytest.param('for="192.0.2.7', ForwardedRequest(), id="an open quote"),
        pytest.param("for=192.0.2.7;for=192.0.2.8", ForwardedRequest(), id="a name twice"),
        pytest.param("for=2001:db8::7", ForwardedRequest(), id="IPv6 without quotes"),
        pytest.param("192.0.2.7", ForwardedRequest(), id="no pair"),
        pytest.param("", ForwardedRequest(), id="told nothing"),
    ],
)
def test_the_request_by_forwarded(value, expected):
    assert resolve(MODERN, PROXY, forwarded=value) == expected


@pytest.mark.parametrize(
    ("proto", "host", "scheme", "shown"),
    [
        pytest.param("https", "example.org", "https", "example.org", id="both"),
        pytest.param("HTTPS", "example.org:8443", "https", "example.org:8443", id="with a port"),
        pytest.param("wss", "[2001:db8::7]:443", "https", "[2001:db8::7]:443", id="a WebSocket"),
        pytest.param("https, http", "evil.example, example.org", "http", "example.org", id="lists"),
        pytest.param("ftp", "example.org/path", "", "", id="neither fits"),
        pytest.param("https,", "user@example.org", "", "", id="an empty entry, and user info"),
        pytest.param("", "a b", "", "", id="a blank"),
        pytest.param("", "example.org:65536", "", "", id="no port"),
        pytest.param("", "[1.2.3.4]", "", "", id="no IPv6 in brackets"),
        pytest.param("", "münchen.example", "", "", id="beyond ASCII"),
    ],
)
def test_scheme_and_host_by_x_forwarded(proto, host, scheme, shown):
    found = resolve(PROXIES, PROXY, x_forwarded_proto=proto, x_forwarded_host=host)
    assert found == ForwardedRequest("", 0, scheme, shown)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.255.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("2001:db8:aaaa::5%eth0", True),
        ("", True),
        ("192.0.2.1", False),
        ("2001:db8:bbbb::5", False),
        ("localhost", False),
    ],
)
def test_whose_word_counts(peer, trusted):
    assert PROXIES.trusts(peer) is trusted
    assert (resolve(PROXIES, peer, x_forwarded_for=CLIENT) is not None) is trusted


def test_a_unix_socket_is_trusted_by_its_token_only():
    assert not TrustedProxies(["10.0.0.0/8"]).trusts("")
    assert TrustedProxies([UNIX]).trusts("")
    assert not TrustedProxies([]).trusts("")


def test_only_one_family_of_fields_is_believed():
    fields = {"x_forwarded_for": "198.51.100.1", "forwarded": "for=192.0.2.7"}
    assert resolve(MODERN, PROXY, **fields) == ForwardedRequest(CLIENT)
    assert resolve(PROXIES, PROXY, **fields) == ForwardedRequest("198.51.100.1")


def test_a_field_that_the_proxy_does_not_write_can_be_left_out():
    proxies = TrustedProxies([PROXY], [X_FORWARDED_FOR, X_FORWARDED_PROTO])
    found = resolve(proxies, PROXY, x_forwarded_for=CLIENT, x_forwarded_host="evil.example")
    assert found == ForwardedRequest(CLIENT)


@pytest.mark.parametrize(
    ("entries", "fields", "said"),
    [
        (["proxy.example"], [X_FORWARDED_FOR], "neither an address nor a network"),
        (["0.0.0.0/0"], [X_FORWARDED_FOR], "believe every client"),
        (["::/0"], [X_FORWARDED_FOR], "believe every client"),
        (["10.0.0.1"], [X_FORWARDED_FOR, FORWARDED], "either forwarded is believed"),
        (["10.0.0.1"], ["x-real-ip"], "either forwarded is believed"),
    ],
)
def test_what_is_no_list_of_proxies(entries, fields, said):
    with pytest.raises(ValueError, match=said):
        TrustedProxies(entries, fields)


# Characters of a field's value: no control characters but the tab (RFC 9110 section 5.5).
_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
_TEMPTING = st.lists(
    st.sampled_from(
        [PROXY, CLIENT, "unknown", "for=10.0.0.2", 'for="', "", "https", "evil.example"]
    ),
).map(", ".join)
_CHAINS = st.lists(st.sampled_from(["10.0.0.2", "10.3.4.5", "2001:db8:aaaa::9"]), max_size=3)


@given(st.one_of(_VALUES, _TEMPTING), _CHAINS)
def test_what_a_client_prepends_never_changes_its_address(forged, chain):
    written = ", ".join([CLIENT, *chain])
    assert client_of(f"{forged},{written}") == client_of(written) == (CLIENT, 0)


@given(st.one_of(_VALUES, _TEMPTING), _CHAINS)
def test_nor_what_its_proxy_tells_by_forwarded(forged, chain):
    hops = [f"for={CLIENT};proto=https;host=example.org"]
    hops += [f'for="[{hop}]";proto=http' if ":" in hop else f"for={hop}" for hop in chain]
    found = resolve(MODERN, PROXY, forwarded=",".join([forged, *hops]))
    assert found == ForwardedRequest(CLIENT, 0, "https", "example.org")


@given(_VALUES, _VALUES)
def test_nor_scheme_and_host(forged, also_forged):
    found = PROXIES.resolve(
        PROXY,
        {
            X_FORWARDED_FOR: CLIENT,
            X_FORWARDED_PROTO: f"{forged},https",
            X_FORWARDED_HOST: f"{also_forged},example.org",
        }.__getitem__,
    )
    assert found == ForwardedRequest(CLIENT, 0, "https", "example.org")


@given(_VALUES)
def test_any_text_names_a_node_or_none(text):
    node = read_node(text)
    assert node is None or str(ip_address(node[0])) == node[0]
    assert read_host(text) in {text, ""}
