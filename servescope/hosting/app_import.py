"""Finding an app named as `module:attribute`."""

from __future__ import annotations

import importlib
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from servescope.errors import AppImportError
from servescope.records import AppKind

if TYPE_CHECKING:
    from collections.abc import Callable


def import_app(name: str) -> Callable[..., Any]:
    """The callable that `module:attribute` names; the attribute may have dots.

    Raises AppImportError when there is none, whatever the module raises; the cause is chained.
    """
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise AppImportError(f"an app is named as module:attribute, got {name!r}")
    try:
        found: Any = importlib.import_module(module_name)
    except BaseException as error:
        # The app's boundary: a module may exit, or skip a test. Ctrl-C meanwhile is told as well.
        raise AppImportError(f"cannot import {module_name}: {_told(error)}") from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise AppImportError(f"module {module_name} has no {attribute}") from error
        except BaseException as error:  # the app's boundary: a module may have a `__getattr__`
            raise AppImportError(
                f"cannot get {attribute} of module {module_name}: {_told(error)}"
            ) from error
    if not callable(found):
        raise AppImportError(f"{name} is not callable")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to a bare callable


def _told(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except BaseException:  # noqa: BLE001 - its text is the app's code as well
        return kind


def kind_of(app: Callable[..., Any]) -> AppKind:
    """ASGI for a coroutine function, or an object whose `__call__` is one; else WSGI.

    An ASGI app is `async def app(scope, receive, send)` (ASGI specification 3.0, Applications), a
    WSGI app answers at once (PEP 3333). Decorators that use functools.wraps are looked through. An
    object that raises when it is looked at (a proxy without its target, a mock) counts as WSGI.
    """
    return AppKind.ASGI if any(map(_is_coroutine, (app, type(app).__call__))) else AppKind.WSGI


def _is_coroutine(function: Any) -> bool:
    try:
        function = inspect.unwrap(function)
        while isinstance(function, partial):
            function = function.func
        return inspect.iscoroutinefunction(function)
    except BaseException:  # noqa: BLE001 - the app's boundary: its `__getattr__` may raise anything
        return False
