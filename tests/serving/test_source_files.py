"""The files that an app is made of, and those of them that have changed."""

import importlib
import json
import os
import sys
import time

import pytest

from servescope.serving.source_files import SourceWatch, imported_sources, sources_of_failure

LONG_AGO = 10**9


@pytest.fixture
def folder(tmp_path, monkeypatch):
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.fixture
def watched(tmp_path):
    """A watch over a.py and b.py, which were written before they were read."""
    for name in ("a.py", "b.py"):
        path = tmp_path / name
        path.write_text("1")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    watch = SourceWatch()
    watch.add([str(tmp_path / "a.py"), str(tmp_path / "b.py")], time.time_ns())
    assert watch.changed() == watch.changed() == []
    return watch


def write(path, text):
    path.write_text(text)
    return [str(path)]


def replace(path, text):
    other = path.with_suffix(".new")
    other.write_text(text)
    os.utime(other, ns=(LONG_AGO, LONG_AGO))  # as `cp -p` and archives do
    other.replace(path)
    return [str(path)]


def remove(path, _text):
    path.unlink()
    return [str(path)]


@pytest.mark.parametrize("change", [write, replace, remove])
def test_a_change_is_told_once_when_it_lies_still(watched, tmp_path, change):
    told = change(tmp_path / "b.py", "22")
    assert watched.changed() == []
    assert watched.changed() == told
    assert watched.changed() == watched.changed() == []


def test_what_is_still_being_written_is_waited_for(watched, tmp_path):
    for number in range(3):
        (tmp_path / "a.py").write_text("1" * (number + 2))
        assert watched.changed() == []
    (tmp_path / "b.py").write_text("222")
    assert watched.changed() == []
    assert watched.changed() == [str(tmp_path / "a.py"), str(tmp_path / "b.py")]


def test_a_file_that_is_missing_and_comes_is_a_change(watched, tmp_path):
    path = tmp_path / "late.py"
    watched.add([str(path)], time.time_ns())
    assert watched.changed() == watched.changed() == []
    path.write_text("1")
    watched.changed()
    assert watched.changed() == [str(path)]


def test_what_was_written_while_it_was_read_counts_as_changed(watched, tmp_path):
    began_ns = time.time_ns()
    path = tmp_path / "c.py"
    path.write_text("1")
    watched.add([str(path)], began_ns)
    watched.changed()
    assert watched.changed() == [str(path)]
    watched.add([str(path)], began_ns)  # a second process tells of it as well
    assert watched.changed() == watched.changed() == []


def test_a_date_in_the_future_is_no_change(watched, tmp_path):
    path = tmp_path / "c.py"
    path.write_text("1")
    os.utime(path, ns=(2**62, 2**62))
    watched.add([str(path)], time.time_ns())
    assert watched.changed() == watched.changed() == []


def test_modules_of_the_app_are_told_and_installed_ones_are_not(folder):
    (folder / "shop_of_tests.py").write_text("import json, pytest")
    importlib.import_module("shop_of_tests")
    found = imported_sources()
    assert str(folder / "shop_of_tests.py") in found
    assert not {json.__file__, pytest.__file__} & found


def test_a_module_that_hides_its_file_is_passed_over(folder, monkeypatch):
    del folder
    monkeypatch.setitem(sys.modules, "number_of_tests", 7)
    monkeypatch.setitem(sys.modules, "none_of_tests", None)
    assert imported_sources()


def failure_of(module):
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever the module raises
        wrapped = RuntimeError("as import_app does")
        wrapped.__cause__ = error
        return sources_of_failure(wrapped)
    raise AssertionError("it was imported")


@pytest.mark.parametrize(
    "faulty",
    ["def f(:", "1 / 0", "import no_module_of_tests.part", "from outer_of_tests import nothing"],
)
def test_a_failed_import_tells_the_file_at_fault_and_who_asked_for_it(folder, faulty):
    (folder / "outer_of_tests.py").write_text("import inner_of_tests")
    (folder / "inner_of_tests.py").write_text(faulty)
    found = failure_of("outer_of_tests")
    assert str(folder / "outer_of_tests.py") in found
    assert str(folder / "inner_of_tests.py") in found
    if "no_module" in faulty:
        assert str(folder / "no_module_of_tests.py") in found
        assert str(folder / "no_module_of_tests" / "__init__.py") in found
