"""Finding an app by its name: `module:attribute`, or a call of a factory, `module:create("prod")`.

One function decides for the command line, the settings and the page Servers, and each of its errors
says in one line what to write instead. A factory is called once in each process, as a module is
imported once: apps that register something for the whole process do it once.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import re
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from servescope.errors import AppImportError
from servescope.monkey_patching import threads_patched_by
from servescope.records.listeners import AppKind

if TYPE_CHECKING:
    from collections.abc import Callable

    App = Callable[..., Any]

MOST_NAME: Final = 1_000
"""Characters of an app's name, the arguments of its factory included."""

MOST_WORDS: Final = 300
"""Characters shown of an exception that an app raised."""

_MODULE: Final = re.compile(r"[\w-]+(\.[\w-]+)*")
_WSGI_ARGUMENTS: Final = 2  # environ, start_response (PEP 3333)
_ASGI_ARGUMENTS: Final = 3  # scope, receive, send (ASGI specification 3.0, Applications)
_INTERFACES: Final = {
    AppKind.WSGI: "a WSGI app takes (environ, start_response)",
    AppKind.ASGI: "an ASGI app takes (scope, receive, send)",
}
_NOT: Final = {
    AppKind.WSGI: "an ASGI app, not a WSGI app: SERVESCOPE_ASGI_APP is for it",
    AppKind.ASGI: "a WSGI app, not an ASGI app: SERVESCOPE_WSGI_APP is for it",
}
_made: Final[dict[str, App]] = {}  # by the text of the call; two threads at once may make it twice


class AppName(NamedTuple):
    """A parsed name: the attribute's parts, and the arguments of a factory that is called."""

    module: str
    attribute: tuple[str, ...]
    call: tuple[tuple[Any, ...], dict[str, Any]] | None
    text: str
    """The name in normal form, the same however quotes and spaces were written."""


def parse_app_name(name: str) -> AppName:
    """Take a name apart; nothing is imported. Raises AppImportError."""
    module, _, expression = name.partition(":")
    if expression and ("/" in module or module.endswith(".py")):
        dotted = module.removesuffix(".py").strip("./").replace("/", ".")
        raise AppImportError(f"{module} is a file: name its module, {dotted}:{expression}")
    if not (_MODULE.fullmatch(module) and expression.strip()) or len(name) > MOST_NAME:
        raise AppImportError(f"an app is named as module:attribute, got {name[:MOST_NAME]!r}")
    try:
        body = ast.parse(expression.strip(), mode="eval").body
        call = _call(body, name) if isinstance(body, ast.Call) else None
        attribute = _parts(body.func if isinstance(body, ast.Call) else body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise AppImportError(
            f"{expression} is neither an attribute nor a call with literal arguments: an app is "
            'named as module:attribute, or as module:create_app("prod")'
        ) from error
    return AppName(module, attribute, call, f"{module}:{ast.unparse(body)}")


def _call(body: ast.Call, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if any(one.arg is None for one in body.keywords):
        raise ValueError(f"{name} passes a mapping")
    given = {str(one.arg): ast.literal_eval(one.value) for one in body.keywords}
    return tuple(map(ast.literal_eval, body.args)), given


def _parts(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Attribute):
        return (*_parts(node.value), node.attr)
    if isinstance(node, ast.Name):
        return (node.id,)
    raise ValueError("no attribute")


def import_app(name: str, wanted: AppKind | None = None) -> App:
    """The app of this name; with `wanted` only one of that kind.

    Raises AppImportError when there is none: nothing that can be imported, or nothing that is an
    app as it stands (a factory that is not called, a class). The cause is chained.
    """
    parsed = parse_app_name(name)
    found = _attribute(parsed)
    if parsed.call is not None:
        if parsed.text not in _made:
            _made[parsed.text] = _make(found, parsed)
        found = _made[parsed.text]
    library = threads_patched_by()
    if library:
        raise AppImportError(
            f"{parsed.module} has {library} replace the threads of this process: no server here "
            "runs on that; leave the monkey patching out"
        )
    objection = _objection(found, name)
    if objection:
        raise AppImportError(objection)
    if wanted is not None and wanted is not kind_of(found):
        raise AppImportError(f"{name} is {_NOT[wanted]}")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to a bare callable


def _attribute(parsed: AppName) -> Any:
    try:
        found: Any = importlib.import_module(parsed.module)
    except BaseException as error:  # the app's boundary: a module may raise anything
        raise AppImportError(f"cannot import {parsed.module}: {_words(error)}") from error
    for part in parsed.attribute:
        try:
            found = getattr(found, part)
        except AttributeError as error:
            close = get_close_matches(part, dir(found), 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            told = ".".join(parsed.attribute)
            raise AppImportError(f"module {parsed.module} has no {told}{hint}") from error
        except BaseException as error:  # the app's boundary: a module's __getattr__
            raise AppImportError(f"cannot read {parsed.text}: {_words(error)}") from error
    return found


def _make(factory: Any, parsed: AppName) -> App:
    """The app that the factory makes."""
    arguments, named = parsed.call or ((), {})
    called = f"{parsed.module}:{'.'.join(parsed.attribute)}"
    if not callable(factory):
        raise AppImportError(f"{called} is not callable")
    if _is_coroutine(factory):
        raise AppImportError(f"{called} is a coroutine function: a factory is a plain function")
    try:
        inspect.signature(factory).bind(*arguments, **named)
    except TypeError as error:
        raise AppImportError(f"{parsed.text} does not fit {called}: {error}") from error
    except ValueError:  # one of C may not tell what it takes
        pass
    try:
        app = factory(*arguments, **named)
    except BaseException as error:  # the app's boundary: a factory may raise anything
        raise AppImportError(f"{parsed.text} failed: {_words(error)}") from error
    if inspect.iscoroutine(app):
        app.close()
        raise AppImportError(f"{parsed.text} answers a coroutine: a factory is a plain function")
    if app is None:
        raise AppImportError(f"{parsed.text} returned None: a factory ends with `return app`")
    return app  # type: ignore[no-any-return]  # whether it is an app is asked next


def kind_of(app: App) -> AppKind:
    """ASGI for what is a coroutine function or takes three arguments, else WSGI.

    An ASGI app is `async def app(scope, receive, send)` (ASGI specification 3.0, Applications), an
    object with such a `__call__`, or a class whose instances can be awaited; a WSGI app answers at
    once (PEP 3333). Decorators that use functools.wraps are looked through. An object that raises
    when it is looked at (a proxy without its target, a mock) counts as WSGI.
    """
    if _is_coroutine(app) or (inspect.isclass(app) and hasattr(app, "__await__")):
        return AppKind.ASGI
    if inspect.isclass(app):
        return AppKind.WSGI
    takes = _takes(app)
    return AppKind.ASGI if takes and takes.least == _ASGI_ARGUMENTS else AppKind.WSGI


class _Takes(NamedTuple):
    """How many positional arguments a callable takes."""

    least: int
    most: float
    names: tuple[str, ...]  # of what is required, keywords included


def _takes(function: App, *, follow_wrapped: bool = False) -> _Takes | None:
    """None where nothing is told, as of much that is in C, or where looking at it raises."""
    try:
        signature = inspect.signature(function, follow_wrapped=follow_wrapped)
    except BaseException:  # noqa: BLE001 - the app's boundary: its `__getattr__` may raise anything
        return None
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [one for one in signature.parameters.values() if one.kind in places]
    kinds = {one.kind for one in signature.parameters.values()}
    is_open = inspect.Parameter.VAR_POSITIONAL in kinds
    required = [one.name for one in taken if one.default is one.empty]
    keywords = [
        f"{one.name}=…"
        for one in signature.parameters.values()
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty
    ]
    most = math.inf if is_open else len(taken)
    return _Takes(len(required), most, (*required, *keywords))


def _objection(app: Any, name: str) -> str:
    """Why this is no app as it stands, and what to write; empty when it is one."""
    if not callable(app):
        return f"{name} is None" if app is None else f"{name} is not callable"
    kind = kind_of(app)
    if inspect.isclass(app):
        is_app = hasattr(app, "__iter__" if kind is AppKind.WSGI else "__await__")
        return "" if is_app and _fits(app, kind) else f"{name} is a class: write {name}()"
    if _fits(app, kind):
        return ""
    takes = _takes(app, follow_wrapped=True)
    if kind is AppKind.ASGI:
        return f"{name} is a coroutine function that is no app: {_INTERFACES[AppKind.ASGI]}"
    if takes is None or takes.least > _ASGI_ARGUMENTS:
        return f"{name} is no app: {_INTERFACES[AppKind.WSGI]}, {_INTERFACES[AppKind.ASGI]}"
    write = f"write {name}()"
    if takes.names:
        write = f"call it with its arguments: {name}({', '.join(takes.names)})"
    return f"{name} is no app but looks like a factory: {write}"


def _fits(app: App, kind: AppKind) -> bool:
    """Whether it takes what an app of this kind is called with.

    Optional arguments are a factory's: `create_app(config=None, debug=False)` could be called with
    two. A callable that takes any number (a decorator's) counts as an app, unless the function it
    wraps takes none at all.
    """
    count = _WSGI_ARGUMENTS if kind is AppKind.WSGI else _ASGI_ARGUMENTS
    takes = _takes(app)
    if takes is None:
        wrapped = _takes(app, follow_wrapped=True)
        return wrapped is None or wrapped.most > 0
    if takes.most == math.inf:
        wrapped = _takes(app, follow_wrapped=True)
        return takes.least <= count and (wrapped is None or wrapped.most > 0)
    return takes.least == count


def _is_coroutine(function: Any) -> bool:
    """Whether it is a coroutine function, or an object whose `__call__` is one; no class is."""
    if inspect.isclass(function):
        return False
    try:
        own = getattr(function, "__call__", None)  # noqa: B004 - an instance may have one of its own
        return any(map(_is_coroutine_function, (function, type(function).__call__, own)))
    except BaseException:  # noqa: BLE001 - the app's boundary: its `__getattr__` may raise anything
        return False


def _is_coroutine_function(function: Any) -> bool:
    function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function)


def _words(error: BaseException) -> str:
    """An exception in one line."""
    try:
        told = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - the app's boundary: its exception may not tell
        told = ""
    words = f"{type(error).__name__}: {told}" if told else type(error).__name__
    return words if len(words) <= MOST_WORDS else words[: MOST_WORDS - 1] + "…"
