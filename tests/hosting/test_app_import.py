from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from servescope.errors import AppImportError
from servescope.hosting.app_import import import_app, kind_of
from servescope.records import AppKind
from tests.hosting.faults import FAULTS

if TYPE_CHECKING:
    from pathlib import Path


def test_finds_a_callable_and_follows_dots():
    assert import_app("os.path:join") is import_app("os:path.join")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("os", "module:attribute"),
        (":app", "module:attribute"),
        ("os:", "module:attribute"),
        ("no_such_module_here:app", "cannot import no_such_module_here"),
        ("os:no_such", "has no no_such"),
        ("os:sep", "not callable"),
    ],
)
def test_says_what_is_wrong(name: str, words: str):
    with pytest.raises(AppImportError, match=words):
        import_app(name)


def test_a_module_that_fails_is_told_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "broken_app_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AppImportError, match="ZeroDivisionError: division by zero"):
        import_app("broken_app_module:app")


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
