"""The cookie jar of one flow (RFC 6265 section 5)."""

from __future__ import annotations

import time

import pytest

from servescope.load.cookies import MAX_COOKIES, CookieJar


def jar_of(*fields: str, target: str = "/shop/cart?x=1", is_tls: bool = False) -> CookieJar:
    jar = CookieJar(is_tls=is_tls)
    for field in fields:
        jar.store(field, target)
    return jar


@pytest.mark.parametrize(
    ("fields", "target", "sent"),
    [
        (["a=1", "b=2; HttpOnly; SameSite=Lax"], "/shop/pay", "a=1; b=2"),
        (["a=1"], "/shop", "a=1"),
        (["a=1"], "/shopping", ""),
        (["a=1"], "/", ""),
        (["a=1; Path=/"], "/", "a=1"),
        (["a=1; path=/shop/"], "/shop/x", "a=1"),
        (["a=1; Path=/shop/"], "/shop", ""),
        (["a=1; Path=/", "b=2; Path=/shop"], "/shop?y", "b=2; a=1"),
        (["a=1; Path=nonsense"], "/shop/x", "a=1"),
        (["a=1; Path=/", "a=2; Path=/"], "/", "a=2"),
        (["a=1; Path=/", "a=; Path=/; Max-Age=0"], "/", ""),
        (["a=1; Path=/; Max-Age=" + "9" * 5_000], "/", "a=1"),
        (["a=1; Path=/; Max-Age=-" + "9" * 5_000], "/", ""),
        (["a=1; Path=/", "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/", ""),
        (["a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=60"], "/", "a=1"),
        (["a=1; Path=/; Expires=soon"], "/", "a=1"),
        (["a=1; Path=/; Secure"], "/", ""),
        (['a="x, y" ; Path=/'], "/", 'a="x, y"'),
        (["a=b=c; Path=/"], "/", "a=b=c"),
        (["no value", "=1", ""], "/shop/x", ""),
        (["a=1; Path=/; Domain=elsewhere.example"], "/", "a=1"),
    ],
)
def test_what_is_sent_back(fields: list[str], target: str, sent: str) -> None:
    assert jar_of(*fields).field_for(target) == sent


def test_a_secure_cookie_goes_back_behind_tls() -> None:
    assert jar_of("a=1; Path=/; Secure", is_tls=True).field_for("/") == "a=1"


def test_what_is_kept_is_bounded() -> None:
    jar = jar_of(*(f"c{number}=1; Path=/" for number in range(1_000)), "big=" + "x" * 10_000)
    assert jar.field_for("/").count("=") == MAX_COOKIES


def test_an_expiry_without_a_zone_is_in_utc(monkeypatch) -> None:
    now_s = time.time()
    passed, to_come = (time.asctime(time.gmtime(now_s + step)) for step in (-3_600, 3_600))
    fields = [f"old=1; Path=/; Expires={passed}", f"new=1; Path=/; Expires={to_come}"]
    sent = []
    with monkeypatch.context() as patch:
        for zone in ("America/New_York", "Asia/Tokyo"):
            patch.setenv("TZ", zone)
            time.tzset()
            sent.append(jar_of(*fields).field_for("/"))
    time.tzset()
    assert sent == ["new=1", "new=1"]
