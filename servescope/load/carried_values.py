"""Values that a flow carries from an answer into its next requests."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import ServescopeError
from servescope.records.scenarios import ValueSource
from servescope.wire.http1_client import MAX_KEPT_CONTENT

if TYPE_CHECKING:
    from servescope.records.scenarios import CarriedValue
    from servescope.wire.http1_client import Response


_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class MissingValueError(ServescopeError):
    """An answer lacks a value that the flow carries on; its text is a sentence."""


def carried(wanted: tuple[CarriedValue, ...], response: Response, label: str) -> dict[str, str]:
    """The wanted values of the answer to the request that is called `label`, by name.

    Raises MissingValueError for the first that is not there.
    """
    values = {}
    document: Any = None
    for value in wanted:
        if value.source is ValueSource.HEADER:
            values[value.name] = _field(response, value.expression, label)
            continue
        if document is None:
            document = (_document(response, label),)
        found = resolve(document[0], value.expression)
        if found is None:
            raise MissingValueError(
                f"the answer to {label} (status {response.status}) has no value at the JSON "
                f"pointer {value.expression!r}"
            )
        values[value.name] = found
    return values


def _field(response: Response, name: str, label: str) -> str:
    folded = name.lower().encode("latin-1", "replace")
    for known, value in response.headers:
        if known == folded:
            return value.decode("latin-1")
    raise MissingValueError(
        f"the answer to {label} (status {response.status}) has no header field {name!r}"
    )


def _document(response: Response, label: str) -> Any:
    if len(response.content) > MAX_KEPT_CONTENT:
        raise MissingValueError(
            f"the answer to {label} is longer than {MAX_KEPT_CONTENT:,} bytes: no value is read "
            "from it"
        )
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise MissingValueError(
            f"the answer to {label} (status {response.status}) is no JSON: "
            f"{response.content[:80]!r}"
        ) from None


def resolve(document: Any, pointer: str) -> str | None:
    """The scalar at a JSON pointer (RFC 6901), as a request writes it; None when there is none.

    Text stands for itself, `true`, `false` and numbers for their JSON. Neither `null` nor an object
    nor an array is a value that can be written.
    """
    if pointer and not pointer.startswith("/"):
        return None
    value = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _is_index(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    if value is None or isinstance(value, (dict, list)):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _is_index(name: str) -> bool:
    """Section 4: digits without a leading zero."""
    return _INDEX.fullmatch(name) is not None
