"""Apps by name: what is found, what is made by a factory, and what is told of everything else."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from servescope.errors import AppImportError
from servescope.hosting import app_import
from servescope.hosting.app_import import import_app, kind_of, parse_app_name
from servescope.records.listeners import AppKind
from tests.hosting.faults import FAULTS

if TYPE_CHECKING:
    from pathlib import Path

SHOP = dedent(
    '''
    import functools


    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"hello"]


    async def asgi(scope, receive, send):
        pass


    def asgi_by_hand(scope, receive, send):
        return asgi(scope, receive, send)


    def any_number(*args, **kwargs):
        return app(*args, **kwargs)


    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)
        return wrapper


    @decorated
    def of_a_request(request):
        return app


    @decorated
    def wrapped(environ, start_response):
        return app(environ, start_response)


    class Wsgi:
        def __init__(self, prefix=""):
            self.prefix = prefix

        def __call__(self, environ, start_response):
            return app(environ, start_response)

        @classmethod
        def create(cls, prefix):
            return cls(prefix)


    class Asgi:
        async def __call__(self, scope, receive, send):
            pass


    class AsgiOfItsOwn:
        def __init__(self):
            self.__call__ = asgi

        __call__ = None


    class PerRequestWsgi:
        """As the AppClass of PEP 3333."""

        def __init__(self, environ, start_response):
            self.start = start_response

        def __iter__(self):
            yield b"hello"


    class PerRequestAsgi:
        """As an endpoint of Starlette."""

        def __init__(self, scope, receive, send):
            self.scope = scope

        def __await__(self):
            yield


    wsgi_object = Wsgi()
    asgi_object = Asgi()
    partial = functools.partial(asgi)
    number = 3
    nothing = None
    made = []


    def create_app():
        made.append("app")
        return Wsgi()


    def create_async_app(debug=False):
        return asgi


    def create_with(name, *, debug=False):
        return Wsgi(f"{name} {debug}")


    def create_optional(config=None, debug=False):
        return app


    def create_keyword(*, config):
        return app


    @functools.lru_cache
    def create_cached():
        return app


    @decorated
    def create_decorated():
        return app


    async def create_awaited():
        return app


    def create_nothing():
        pass


    def create_number():
        return 3


    def create_factory():
        return create_app


    def create_coroutine():
        return create_awaited()


    def create_broken():
        raise ValueError("no\\n  database")


    def create_exit():
        raise SystemExit(3)


    def too_many(a, b, c, d):
        pass


    def __getattr__(name):
        if name == "hostile":
            raise KeyboardInterrupt
        raise AttributeError(name)
    '''
)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules: `modules(shop="…")`; `shop` is there from the beginning."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(app_import, "_made", {})

    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)

    write(shop=SHOP)
    yield write
    for name in set(sys.modules) - known:
        del sys.modules[name]


def told(name, wanted=None):
    with pytest.raises(AppImportError) as caught:
        import_app(name, wanted)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    return str(caught.value)


def test_finds_a_callable_and_follows_dots():
    assert import_app("os.path:join") is import_app("os:path.join")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app", AppKind.WSGI),
        ("asgi", AppKind.ASGI),
        ("asgi_by_hand", AppKind.ASGI),
        ("any_number", AppKind.WSGI),
        ("of_a_request", AppKind.WSGI),
        ("wrapped", AppKind.WSGI),
        ("wsgi_object", AppKind.WSGI),
        ("asgi_object", AppKind.ASGI),
        ("partial", AppKind.ASGI),
        ("PerRequestWsgi", AppKind.WSGI),
        ("PerRequestAsgi", AppKind.ASGI),
        ("create_app()", AppKind.WSGI),
        ("create_async_app()", AppKind.ASGI),
        ("create_async_app(debug=True)", AppKind.ASGI),
        ("create_cached()", AppKind.WSGI),
        ("create_decorated()", AppKind.WSGI),
        ("create_keyword(config={'a': [1, -2.5, None]})", AppKind.WSGI),
        ("Wsgi()", AppKind.WSGI),
        ("Asgi()", AppKind.ASGI),
        ("Wsgi.create('/x')", AppKind.WSGI),
    ],
)
def test_an_app_is_known_for_what_it_is(modules, name, kind):
    del modules
    assert kind_of(import_app(f"shop:{name}")) is kind
    assert kind_of(import_app(f"shop:{name}", kind)) is kind


def test_a_factory_gets_the_arguments_that_are_written(modules):
    del modules
    assert import_app('shop:create_with("prod", debug=True)').prefix == "prod True"
    assert import_app("shop:create_with('test')").prefix == "test False"
    assert import_app("shop:create_with(('a', 1))").prefix == "('a', 1) False"


def test_a_factory_is_called_once_however_it_is_written(modules):
    del modules
    app = import_app("shop:create_app()")
    assert import_app("shop:create_app( )") is app
    assert sys.modules["shop"].made == ["app"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("create_app", "looks like a factory: write shop:create_app()"),
        ("create_async_app", "looks like a factory: write shop:create_async_app()"),
        ("create_optional", "looks like a factory: write shop:create_optional()"),
        ("create_cached", "looks like a factory: write shop:create_cached()"),
        ("create_decorated", "looks like a factory: write shop:create_decorated()"),
        ("create_with", "call it with its arguments: shop:create_with(name)"),
        ("create_keyword", "call it with its arguments: shop:create_keyword(config=…)"),
        ("create_awaited", "a coroutine function that is no app: an ASGI app takes (scope, "),
        ("create_awaited()", "shop:create_awaited is a coroutine function: a factory is a plain"),
        ("create_coroutine()", "answers a coroutine: a factory is a plain function"),
        ("create_nothing()", "shop:create_nothing() returned None: a factory ends with `return"),
        ("create_number()", "shop:create_number() is not callable"),
        ("create_factory()", "shop:create_factory() is no app but looks like a factory"),
        ("create_broken()", "shop:create_broken() failed: ValueError: no database"),
        ("create_exit()", "shop:create_exit() failed: SystemExit: 3"),
        ("create_with()", "does not fit shop:create_with: missing a required argument: 'name'"),
        ("create_app(1)", "shop:create_app(1) does not fit shop:create_app: too many positional"),
        ("create_app(debug=1)", "got an unexpected keyword argument 'debug'"),
        ("number()", "shop:number is not callable"),
        ("number", "shop:number is not callable"),
        ("nothing", "shop:nothing is None"),
        ("Wsgi", "shop:Wsgi is a class: write shop:Wsgi()"),
        ("Asgi", "shop:Asgi is a class: write shop:Asgi()"),
        ("too_many", "an ASGI app takes (scope, receive, send)"),
        ("wsgi_objekt", "module shop has no wsgi_objekt; did you mean wsgi_object?"),
        ("zzz.app", "module shop has no zzz.app"),
        ("hostile", "cannot read shop:hostile: KeyboardInterrupt"),
    ],
)
def test_what_is_no_app_is_told_with_what_to_write(modules, name, words):
    del modules
    assert words in told(f"shop:{name}")


@pytest.mark.parametrize(
    ("name", "wanted", "words"),
    [
        ("asgi", AppKind.WSGI, "shop:asgi is an ASGI app, not a WSGI app: SERVESCOPE_ASGI_APP"),
        ("app", AppKind.ASGI, "shop:app is a WSGI app, not an ASGI app: SERVESCOPE_WSGI_APP"),
        ("create_async_app()", AppKind.WSGI, "is an ASGI app, not a WSGI app"),
    ],
)
def test_an_app_of_the_other_kind_is_told_where_it_belongs(modules, name, wanted, words):
    del modules
    assert words in told(f"shop:{name}", wanted)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "cannot import faulty: ZeroDivisionError: division by zero"),
        ("def app(:\n  pass", "cannot import faulty: SyntaxError: "),
        ("raise SystemExit(3)", "cannot import faulty: SystemExit: 3"),
        ("raise SystemExit", "cannot import faulty: SystemExit"),
        ("raise KeyboardInterrupt", "cannot import faulty: KeyboardInterrupt"),
        ("raise GeneratorExit", "cannot import faulty: GeneratorExit"),
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise ValueError('a\\nb\\n  c')", "cannot import faulty: ValueError: a b c"),
        ("raise ValueError('x' * 9999)", "xx…"),
        (
            "class Mute(Exception):\n  def __str__(self): raise OSError\nraise Mute",
            "cannot import faulty: Mute",
        ),
    ],
)
def test_a_module_that_fails_is_told_with_its_error(modules, source, words):
    modules(faulty=source)
    assert words in told("faulty:app")


def test_what_a_module_prints_is_its_own_matter(modules, capsys):
    modules(loud="print('hello')\nfrom shop import app")
    assert import_app("loud:app")
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("os", "module:attribute"),
        (":app", "module:attribute"),
        ("os:", "module:attribute"),
        ("os: ", "module:attribute"),
        ("a b:c", "module:attribute"),
        (".shop:app", "module:attribute"),
        ("shop:" + "a" * 2_000, "module:attribute"),
        ("no_such_module_here:app", "cannot import no_such_module_here"),
        ("os:no_such", "has no no_such"),
        ("os:sep", "not callable"),
        ("shop.py:app", "shop.py is a file: name its module, shop:app"),
        ("./shop/web.py:app", "./shop/web.py is a file: name its module, shop.web:app"),
        ("shop/web:create_app()", "name its module, shop.web:create_app()"),
        ("shop:create_app(name)", "neither an attribute nor a call with literal arguments"),
        ("shop:create_app(**{})", "neither an attribute nor a call with literal arguments"),
        ("shop:create_app", "no app"),
        ("shop:create_app(", "neither an attribute nor a call"),
        ("shop:create_app()()", "neither an attribute nor a call"),
        ("shop:create_app().app", "neither an attribute nor a call"),
        ("shop:apps[0]", "neither an attribute nor a call"),
        ("shop:lambda: 0", "neither an attribute nor a call"),
        ("shop:" + "(" * 900, "neither an attribute nor a call"),
        ("shop:f(" + "[" * 400 + "]" * 400 + ")", "neither an attribute nor a call"),
        ("shop:\0", "neither an attribute nor a call"),
        ("shop:__import__('os').system('true')", "neither an attribute nor a call"),
    ],
)
def test_says_what_is_wrong_with_a_name(modules, name, words):
    del modules
    assert words in told(name)


def test_ways_to_write_a_call_are_alike():
    assert (
        parse_app_name("shop:create('a',b = 1)").text
        == parse_app_name('shop:create("a", b=1)').text
    )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "module",
    ["raise FAULTS['{fault}']", "def __getattr__(name):\n    raise FAULTS['{fault}']"],
    ids=["import", "attribute"],
)
def test_whatever_a_module_raises_is_told(
    module: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = "from tests.hosting.faults import FAULTS\n" + module.format(fault=fault)
    name = f"app_module_{abs(hash((module, fault)))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AppImportError, match=FAULTS[fault].__name__) as told:
        import_app(f"{name}:app")
    assert isinstance(told.value.__cause__, FAULTS[fault])


@pytest.mark.parametrize("fault", [RuntimeError, SystemExit])
def test_an_object_that_cannot_be_looked_at_counts_as_wsgi(fault: type[BaseException]):
    class Proxy:
        def __getattr__(self, name: str) -> object:
            raise fault(name)

        def __call__(self) -> None:
            """Answer nothing."""

    assert kind_of(Proxy()) is AppKind.WSGI
