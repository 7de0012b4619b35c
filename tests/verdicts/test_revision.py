"""A revision of a repository becomes a folder; the repository itself stays as it is."""

import os
import subprocess

import pytest

from servescope.errors import UsageError
from servescope.verdicts.revision import checked_out
from servescope.verdicts.side import AppSide, side_of


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Git in a repository of two commits, whose folder `web` the process is in."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # of a hook that runs these tests
    repository = tmp_path / "repository"
    (repository / "web").mkdir(parents=True)

    def run(*words):
        named = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *named, *words], cwd=repository, check=True, capture_output=True, text=True
        )
        return done.stdout

    run("init", "--quiet")
    for version in ("first", "second"):
        (repository / "web" / "shop.py").write_text(version)
        (repository / "wares.py").write_text(version)
        run("add", ".")
        run("commit", "--quiet", "--message", version)
    (repository / "web" / "shop.py").write_text("not committed")
    monkeypatch.chdir(repository / "web")
    return run


def test_a_revision_is_written_whole_and_the_present_folder_is_found_in_it(git, tmp_path):
    folder = checked_out("HEAD~1", tmp_path / "checkout")
    assert folder == tmp_path / "checkout" / "web"
    assert (folder / "shop.py").read_text() == "first"
    assert (folder.parent / "wares.py").read_text() == "first"
    assert git("status", "--porcelain") == " M web/shop.py\n"


@pytest.mark.usefixtures("git")
def test_a_side_may_name_a_revision_in_place_of_a_folder(tmp_path):
    side = side_of("shop:app@HEAD~1", tmp_path / "checkout")
    assert side == AppSide("shop:app", (tmp_path / "checkout" / "web").resolve(), "HEAD~1")
    assert side.label == "shop:app at HEAD~1"


@pytest.mark.parametrize("revision", ["HEAD~7", "no-such-branch", "--all"])
@pytest.mark.usefixtures("git")
def test_an_unknown_revision_is_none(revision, tmp_path):
    assert checked_out(revision, tmp_path / "checkout") is None
    with pytest.raises(UsageError, match="no such revision"):
        side_of(f"shop:app@{revision}", tmp_path / "checkout")


def test_outside_of_a_repository_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checked_out("HEAD", tmp_path / "checkout") is None
