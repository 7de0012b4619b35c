"""Where the modules of an app in a folder of its own are looked for."""

import sys

from servescope.serving.workers.import_path import import_path
from tests.processes import ROOT


def test_without_a_folder_it_is_this_process_s_own():
    assert import_path(None) == sys.path


def test_the_folder_comes_first_and_the_present_one_is_left_out(tmp_path, monkeypatch):
    present, folder = tmp_path / "present", tmp_path / "folder"
    present.mkdir()
    monkeypatch.chdir(present)
    monkeypatch.setattr(sys, "path", ["", str(present), "/elsewhere"])
    assert import_path(folder) == [str(folder), "/elsewhere", str(ROOT)]
