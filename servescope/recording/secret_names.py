"""Which names stand for secrets, and targets without the values of those.

What a recorder writes is on the disk, so a secret must be masked before. The standard library
alone: the recorders within other people's apps use it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

MASK: Final = "[masked]"
"""Stands in the place of a secret, whatever its length."""

_PARTS: Final = re.compile(
    r"passw|passphrase|pwd|secret|token|apikey|accesskey|privatekey|credential|authori[sz]ation"
    r"|sessionid|jwt|csrf|xsrf|signature"
)
_WHOLE: Final = frozenset(
    ("auth", "otp", "pass", "pin", "session", "sid", "sig", "cvc", "cvv", "ssn")
)
_SEPARATORS: Final = re.compile(r"[-_.\s\[\]]+")
_USER_INFO: Final = re.compile(r"//[^/?#\s]*@")
_LONGEST_NAME: Final = 200


def is_secret_name(name: str) -> bool:
    """Whether a field, parameter or key of this name, such as `csrf-token`, holds a secret.

    In doubt it does: what is masked without need costs less than what is not.
    """
    plain = _SEPARATORS.sub("", name[:_LONGEST_NAME]).lower()
    return plain in _WHOLE or _PARTS.search(plain) is not None


def mask_target(target: str, *, every_value: bool = False) -> str:
    """A request target, or any other URL, without the secrets in it.

    Those are the values of query parameters that are named like secrets, or of every one, and
    the user information in front of a host (RFC 3986 section 3.2.1).
    """
    if "@" in target:
        target = _USER_INFO.sub(f"//{MASK}@", target)
    path, mark, rest = target.partition("?")
    if not mark:
        return target
    query, hash_mark, fragment = rest.partition("#")
    return path + mark + mask_query(query, every_value=every_value) + hash_mark + fragment


def mask_query(query: str, *, every_value: bool = False) -> str:
    """A query string without the values of its secrets, or of every parameter."""
    return "".join(
        part if part in {"&", ";"} else _mask_pair(part, every_value=every_value)
        for part in re.split("([&;])", query)
    )


def _mask_pair(pair: str, *, every_value: bool) -> str:
    name, mark, value = pair.partition("=")
    if mark and value and (every_value or is_secret_name(unquote_plus(name))):
        return f"{name}={MASK}"
    # A query without names may be the secret itself.
    return MASK if every_value and pair and not mark else pair
