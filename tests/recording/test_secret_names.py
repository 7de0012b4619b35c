"""Names that stand for secrets, and targets without the values of those."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.recording.secret_names import MASK, is_secret_name, mask_target

SECRET = "s3cretVa1ue"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "passwd", "user[password]", "new-password", "passwordConfirm"),
        *("pass", "pwd", "token", "access_token", "csrfmiddlewaretoken", "X-CSRF-Token"),
        *("api_key", "apiKey", "API-KEY", "client_secret", "auth", "authorization", "sessionId"),
        *("session", "sid", "jwt", "otp", "pin", "X-Amz-Signature", "private.key"),
    ],
)
def test_a_name_of_a_secret(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["", "q", "page", "passenger", "compass", "author", "spin", "sec-websocket-key", "key"]
)
def test_a_name_of_no_secret(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("target", "masked"),
    [
        ("/", "/"),
        ("/search?q=token", "/search?q=token"),
        (f"/?token={SECRET}", f"/?token={MASK}"),
        (f"/?a=1&pass%77ord={SECRET}&b=2", f"/?a=1&pass%77ord={MASK}&b=2"),
        (f"/?a=1;sid={SECRET}", f"/?a=1;sid={MASK}"),
        (f"/?token={SECRET}={SECRET}", f"/?token={MASK}"),
        (f"/?token={SECRET}#part", f"/?token={MASK}#part"),
        ("/?token=&token", "/?token=&token"),
        (f"http://me:{SECRET}@host/?a=1", f"http://{MASK}@host/?a=1"),
        ("/mail/a@b", "/mail/a@b"),
    ],
)
def test_the_secrets_of_a_target_are_masked(target, masked):
    assert mask_target(target) == masked


def test_every_value_is_masked_where_that_is_asked_for():
    assert mask_target("/?a=1&b=&c&d=4", every_value=True) == f"/?a={MASK}&b=&{MASK}&d={MASK}"


PLAIN = st.text("abcxyz0123/-._~%20", max_size=8)


@given(
    st.lists(st.tuples(PLAIN, PLAIN), max_size=5),
    st.integers(0, 5),
    st.sampled_from(["password", "x-token", "api%5fkey", "S%49D", "user%5Bpassword%5D"]),
)
def test_a_secret_anywhere_in_a_query_is_masked_and_nothing_else(pairs, place, name):
    parts = [f"{key}={value}" for key, value in pairs if not is_secret_name(key)]
    parts.insert(place, f"{name}={SECRET}")
    target = "/path?" + "&".join(parts)
    assert mask_target(target) == target.replace(SECRET, MASK)


@given(st.lists(st.sampled_from(["a=1", "b", "", "c=d=e"]), max_size=4), st.integers(0, 4))
def test_a_secret_lasts_until_the_next_ampersand(parts, place):
    """Some parse `;` as a separator, others as part of the value."""
    parts.insert(place, f"token={SECRET};{SECRET}")
    target = "/?" + ";".join(parts) + "&kept=1"
    assert SECRET not in mask_target(target)
    assert mask_target(target).endswith("&kept=1")
