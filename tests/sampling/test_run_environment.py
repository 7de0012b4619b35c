"""The surroundings of a run: this machine's, the listener's, and the commit of its app."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import replace

import pytest

import servescope
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
    ListenerStatus,
)
from servescope.records.run_environment import Repository, RunEnvironment
from servescope.sampling.run_environment import app_folder, read_environment, read_repository

STATUS = ListenerStatus(
    *("wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, ConcurrencyModel.PREFORK),
    *("servescope.demo.flask_app:app", 5555),
    since_s=90.0,
    app_kind=AppKind.WSGI,
    options=ListenerOptions(threads=4, workers=3, pin_core=0),
)


def git(folder, *arguments):
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "a person"),
        **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@example.org"),
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, env=environment
    )
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    """A repository of one commit, with a folder `site` in it."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    (tmp_path / ".gitignore").write_text("venv/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_the_environment_names_versions_machine_and_server():
    told = read_environment(STATUS)
    assert told.python == f"{platform.python_implementation()} {platform.python_version()}"
    assert told.system == f"{platform.system()} {platform.release()}"
    assert told.servescope
    assert told.cores == len(os.sched_getaffinity(0))
    assert (told.model, told.threads, told.processes, told.pinned_core) == ("prefork", 12, 3, 0)
    assert (told.app, told.app_kind, told.listening_since_s) == (STATUS.app, "wsgi", 90.0)
    assert told.port == 5555
    assert RunEnvironment.from_json(told.to_json()) == told


def test_one_process_unless_the_server_forks():
    pool = replace(STATUS, model=ConcurrencyModel.THREAD_POOL)
    told = read_environment(pool)
    assert (told.threads, told.processes) == (4, 1)


def test_the_commit_the_branch_and_whether_files_differ(repository):
    commit = git(repository, "rev-parse", "HEAD")
    site = repository / "site"
    assert read_repository(site) == Repository(commit, "main", is_dirty=False)
    (site / "index.html").write_text("changed")
    assert read_repository(site) == Repository(commit, "main", is_dirty=True)
    git(repository, "checkout", "--quiet", "--force", "--detach")
    assert read_repository(site) == Repository(commit, "", is_dirty=False)
    (site / "new.html").write_text("not added")
    assert read_repository(site).is_dirty


def test_the_variables_of_a_git_hook_do_not_lead_elsewhere(repository, monkeypatch, tmp_path):
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert read_repository(repository).commit == commit


def test_a_folder_that_the_repository_ignores_is_no_part_of_it(repository):
    (repository / "venv" / "lib").mkdir(parents=True)
    assert read_repository(repository / "venv" / "lib") is None


def test_where_there_is_no_commit_there_is_none(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    assert read_repository(outside) is None
    assert read_repository(tmp_path / "missing") is None
    git(outside, "init", "--quiet")
    assert read_repository(outside) is None, "a repository without a commit"


def test_without_git_there_is_none(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert read_repository(repository) is None


def test_the_folder_of_an_app_is_that_of_its_package(tmp_path):
    package = servescope.__path__[0]
    assert str(app_folder(STATUS)) == package
    files = replace(STATUS, app=str(tmp_path), app_kind=AppKind.STATIC)
    assert app_folder(files) == tmp_path
    assert app_folder(replace(STATUS, app="no_such_package_anywhere:app")) is None
    assert app_folder(replace(STATUS, app="not an app's name")) is None
    assert app_folder(replace(STATUS, app="sys:app")) is None, "it is in no file"


def test_of_a_host_elsewhere_only_this_machine_is_known():
    told = read_environment(None)
    assert told.system == f"{platform.system()} {platform.release()}"
    assert (told.app, told.model, told.repository, told.processes) == ("", "", None, 0)
    assert RunEnvironment.from_json(told.to_json()) == told
