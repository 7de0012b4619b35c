"""Each write that a person can make has one function in `servescope.actions`, and no other way."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from servescope import actions, control

ROOT = Path(__file__).parents[2]
CONTROL, ACTIONS = Path(control.__file__).parent, Path(actions.__file__).parent

WRITES_OF_PEOPLE = {
    "capacity_searches.request": {"capacity_searches.start"},
    "capacity_searches.request_stop": {"capacity_searches.stop"},
    "captures.end": {"captures.stop"},
    "captures.request": {"captures.start"},
    "comparisons.request": {"comparisons.start"},
    "comparisons.request_stop": {"comparisons.stop"},
    "experiments.request": {"experiments.start"},
    "load_runs.add_imported": {"run_files.open_run_file"},
    "load_runs.delete": {"kept_runs.delete"},
    "load_runs.describe": {"kept_runs.describe"},
    "load_runs.request": {"kept_runs.repeat", "load_runs.start"},
    "load_runs.request_stop": {"load_runs.stop"},
    "verdicts.request": {"verdicts.start"},
    "verdicts.request_stop": {"verdicts.stop"},
    "listeners.change_overrides": {
        "listeners.add",
        "listeners.change",
        "listeners.reset",
        "listeners.restart",
        "listeners.start",
        "listeners.stop",
    },
    "listeners.discard_overrides": {"listeners.claim", "listeners.remove"},
}
"""A write of a control table: the functions that make it for a person."""


def writing_methods():
    """`table.method` for each method of a control table that writes."""
    classes = {
        owner.name: (path.stem, owner)
        for path in CONTROL.glob("*.py")
        for owner in ast.walk(ast.parse(path.read_text()))
        if isinstance(owner, ast.ClassDef)
    }
    bases = {base for _, owner in classes.values() for base in names_of_bases(owner)}
    found = set()
    for name, (stem, owner) in classes.items():
        inherited = [classes[base][1] for base in names_of_bases(owner) if base in classes]
        # As Python resolves them: those of the class itself come first.
        methods = {
            one.name: one
            for each in [*inherited, owner]
            for one in each.body
            if isinstance(one, ast.FunctionDef)
        }
        if name not in bases:
            found |= {f"{stem}.{one}" for one in methods if writes(one, methods)}
    return found


def names_of_bases(owner):
    """`Rows` of `class Runs(Rows[Run])`."""
    return {ast.unparse(base).partition("[")[0] for base in owner.bases}


def writes(name, methods):
    """Whether a method writes to the database, itself or by another method of its class."""
    for call in calls_in(methods[name]):
        if call == "self._database.write":
            return True
        other = call.removeprefix("self.")
        if other not in {call, name} and other in methods and writes(other, methods):
            return True
    return False


def calls_in(tree):
    """The dotted names of everything that is called, or passed on to be called."""
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def actions_that(write):
    """`module.function` of each action that makes this write."""
    table, _, method = write.partition(".")
    found = set()
    for path in ACTIONS.glob("*.py"):
        for function in ast.parse(path.read_text()).body:
            if isinstance(function, ast.FunctionDef) and any(
                call.endswith(f"{table}.{method}") for call in calls_in(function)
            ):
                found.add(f"{path.stem}.{function.name}")
    return found


def test_the_table_names_writes_that_there_are():
    assert set(WRITES_OF_PEOPLE) <= writing_methods()


@pytest.mark.parametrize("write", sorted(writing_methods()))
def test_a_write_has_the_actions_of_the_table_and_no_other(write):
    assert actions_that(write) == WRITES_OF_PEOPLE.get(write, set())


def test_every_function_that_writes_is_public_and_raises_what_its_docstring_says():
    by_module = defaultdict(set)
    for made in WRITES_OF_PEOPLE.values():
        for action in made:
            module, _, name = action.partition(".")
            by_module[module].add(name)
    for module, names in by_module.items():
        for function in ast.parse((ACTIONS / f"{module}.py").read_text()).body:
            if getattr(function, "name", "") in names:
                names.remove(function.name)
                assert not function.name.startswith("_")
                assert "Error" in ast.get_docstring(function), f"{module}.{function.name}"
        assert names == set()


@pytest.mark.parametrize("folder", ["pages", "components", "servescope/commands"])
def test_pages_components_and_commands_write_by_no_other_way(folder):
    writes = {f".{write}" for write in writing_methods()}
    found = {
        f"{path.relative_to(ROOT)}: {call}"
        for path in (ROOT / folder).rglob("*.py")
        for call in calls_in(ast.parse(path.read_text()))
        if any(call.endswith(write) for write in writes)
    }
    assert found == set()


def test_people_reach_actions_through_the_one_place_that_asks_who_may_act():
    """Besides it, only the command line, whose person is the one who started the process."""
    names = {action for made in WRITES_OF_PEOPLE.values() for action in made}
    calling = {
        str(path.relative_to(ROOT))
        for folder in ("pages", "components", "servescope")
        for path in (ROOT / folder).rglob("*.py")
        if ACTIONS not in path.parents
        for imported in ast.walk(ast.parse(path.read_text()))
        if isinstance(imported, ast.ImportFrom)
        and any(
            imported.module == "servescope.actions"
            or f"{(imported.module or '').removeprefix('servescope.actions.')}.{one.name}" in names
            for one in imported.names
        )
    }
    assert calling == {"components/authority.py", "servescope/runtime/served_app.py"}
