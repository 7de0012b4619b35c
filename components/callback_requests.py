"""Callback requests, held against the callback map before Dash sees them.

Dash takes the body as it comes: one of another shape than its own renderer's ends in some KeyError
deep inside. Here the shape is checked once for all callbacks: the output is one of ours,
inputs and states are those its callback declares, in number, order, id and property, and each value
has a type that this property can have. The meaning of a value is left to the page.

    {"output": "load-answer.children", "outputs": {"id": …, "property": …},
     "inputs": [{"id": …, "property": …, "value": …}, …], "state": […],
     "changedPropIds": ["load-start.n_clicks", …]}
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from flask.json.provider import DefaultJSONProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CALLBACKS: Final = "_dash-update-component"
"""The endpoint, below the prefix of all routes."""

MOST_DEPTH: Final = 16
"""How deep objects and arrays of a value may nest; a row of the request log has two levels."""

MOST_ENTRIES: Final = 1_000
LONGEST_TEXT: Final = 65_536


class CallbackRefusedError(Exception):
    """The request is not one of our pages'; `status` is the answer, the text says why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class StrictJSON(DefaultJSONProvider):
    """Reads JSON as RFC 8259 has it: no NaN, no nesting without end (1,024 levels), UTF-8 alone."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value. Raises ValueError."""
        del kwargs  # those of the json module
        return orjson.loads(s)


def check(body: object, callback_map: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise CallbackRefusedError unless the body is a request to one of these callbacks.

    `callback_map` is that of the Dash app: callback id → inputs, state, output and function.
    """
    if not isinstance(body, dict):
        raise _bad("the body is no JSON object")
    output = body.get("output")
    if not isinstance(output, str):
        raise _bad("output is no text")
    known = callback_map.get(output)
    if known is None:
        # A tab from before an update asks each second.
        raise CallbackRefusedError(
            HTTPStatus.CONFLICT, "This page is older than the server: load it again."
        )
    if "callback" not in known:
        raise _bad("this callback runs in the browser")
    if not known["no_output"]:
        _check_outputs(body.get("outputs"), known["output"])
    _check_values("inputs", body.get("inputs"), known["inputs"])
    _check_values("state", body.get("state", []), known["state"])
    triggers = {f"{one['id']}.{one['property']}" for one in known["inputs"]}
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(
        isinstance(one, str) and one in triggers for one in changed
    ):
        raise _bad("changedPropIds names what is no input")


def _check_outputs(given: object, declared: Any) -> None:
    """Dash's renderer sends one object, and a list where the callback declares several."""
    is_list = isinstance(declared, (list, tuple))
    expected = list(declared) if is_list else [declared]
    found = given if is_list else [given]
    if not isinstance(found, list) or len(found) != len(expected):
        raise _bad(f"outputs are not the {len(expected)} of this callback")
    for place, (one, wanted) in enumerate(zip(found, expected, strict=True)):
        if (
            not isinstance(one, dict)
            or one.get("id") != wanted.component_id
            or not isinstance(one.get("property"), str)
            # Of outputs that several callbacks have a hash follows, `children@7987e2…`.
            or one["property"].partition("@")[0] != wanted.component_property
        ):
            raise _bad(f"outputs[{place}] is not {wanted}")


def _check_values(name: str, given: object, declared: Sequence[Mapping[str, Any]]) -> None:
    if not isinstance(given, list) or len(given) != len(declared):
        raise _bad(f"{name} has not the {len(declared)} entries of this callback")
    for place, (one, wanted) in enumerate(zip(given, declared, strict=True)):
        prop = wanted["property"]
        if (
            not isinstance(one, dict)
            or one.get("id") != wanted["id"]
            or one.get("property") != prop
        ):
            raise _bad(f"{name}[{place}] is not {wanted['id']}.{prop}")
        value = one.get("value")
        if not VALUES[prop](value):
            raise _bad(f"{name}[{place}].value is nothing that {wanted['id']}.{prop} can be")


def _is_count(value: object) -> bool:
    return value is None or type(value) in {int, float}


def _is_flag(value: object) -> bool:
    return value is None or type(value) is bool


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_TEXT)


def _is_path(value: object) -> bool:
    """Always a text: Dash takes the path apart, and a browser is at one from the start."""
    return isinstance(value, str) and _is_text(value) and value.startswith("/")


def _is_field(value: object) -> bool:
    """The value of a form's field: a text, a number, a choice of several."""
    if isinstance(value, list):
        return len(value) <= MOST_ENTRIES and all(map(_is_scalar, value))
    return _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return _is_text(value) or type(value) in {int, float, bool}


def _is_object(value: object) -> bool:
    return value is None or (isinstance(value, dict) and _is_shallow(value))


def _is_shallow(value: object) -> bool:
    """Whether what nests does so MOST_DEPTH levels at most."""
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return True
    return False


VALUES: Final[Mapping[str, Callable[[object], bool]]] = {
    "n_intervals": _is_count,
    "n_clicks": _is_count,
    "value": _is_field,
    "checked": _is_flag,
    "data": _is_object,
    "pathname": _is_path,
    "search": _is_text,
}
"""Whether a value is one that a property can have, for each property a callback of ours reads."""


def _bad(reason: str) -> CallbackRefusedError:
    return CallbackRefusedError(HTTPStatus.BAD_REQUEST, reason)
