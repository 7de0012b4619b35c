"""The surroundings of a load run, read as it begins: versions, machine, server, commit of the app.

git is asked in a process of its own, for `GIT_SECONDS` at most each time; it takes no lock and
starts no file system monitor.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import tomllib
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import servescope
from servescope.errors import AppImportError
from servescope.hosting.app_import import parse_app_name
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.run_environment import Repository, RunEnvironment

if TYPE_CHECKING:
    from servescope.records.listeners import ListenerStatus

GIT_SECONDS: Final = 1.0
_PACKAGE: Final = Path(servescope.__file__).parent
_DETACHED: Final = "(detached)"
_UNBORN: Final = "(initial)"


def read_environment(status: ListenerStatus | None) -> RunEnvironment:
    """The surroundings of a run that aims at this listener; None: at a host elsewhere."""
    here = RunEnvironment(
        servescope=_version(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
    )
    if status is None:
        return here
    is_forking = status.model == ConcurrencyModel.PREFORK
    folder = app_folder(status)
    return replace(
        here,
        app=status.app,
        app_kind=status.app_kind,
        model=status.model,
        threads=status.request_threads,
        processes=status.options.workers if is_forking else 1,
        is_tls=status.is_tls,
        pinned_core=status.options.pin_core,
        listening_since_s=status.since_s,
        repository=read_repository(folder) if folder is not None else None,
        port=status.port,
    )


def _version() -> str:
    """The version of Servescope: of the installed package, else of the source tree."""
    try:
        return metadata.version("servescope")
    except metadata.PackageNotFoundError:
        pass
    try:
        project = tomllib.loads((_PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
        return str(project["project"]["version"])
    except (OSError, ValueError, KeyError):
        return ""


def app_folder(status: ListenerStatus) -> Path | None:
    """The folder of the listener's files, or of the module of its app; None where unknown.

    An app that another process hosts may be one that this process cannot find.
    """
    if status.app_kind == AppKind.STATIC:
        return Path(status.app)
    try:
        # The package at the top is found without an import, which would run code.
        spec = importlib.util.find_spec(parse_app_name(status.app).module.partition(".")[0])
    except (AppImportError, ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    locations = list(spec.submodule_search_locations or ())
    if locations:
        return Path(locations[0])
    return Path(spec.origin).parent if spec.has_location and spec.origin else None


def read_repository(folder: Path) -> Repository | None:
    """The repository that a folder is a part of; None where there is none, or git does not tell.

    A folder that the repository ignores, as those of installed packages are, is no part of it.
    """
    if _git(folder, "check-ignore", "--quiet", ".") is not None:
        return None
    told = _git(folder, "status", "--porcelain=v2", "--branch")
    if told is None:
        return None
    headers = {}
    is_dirty = False
    for line in told.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "#":
            name, _, value = rest.partition(" ")
            headers[name] = value
        else:
            is_dirty = True
    commit, branch = headers.get("branch.oid", _UNBORN), headers.get("branch.head", _DETACHED)
    if commit == _UNBORN:
        return None
    return Repository(commit, "" if branch == _DETACHED else branch, is_dirty)


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command in a folder; None when it fails, or takes too long."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**inherited, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")
