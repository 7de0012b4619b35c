"""The recorder: two rings for each start of a process."""

import pytest

from servescope.errors import DataFolderError
from servescope.recording.recorder import Recorder
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_reader import RingReader


@pytest.fixture
def recorder(tmp_path):
    recorder = Recorder(tmp_path / "rings", capacity=64)
    yield recorder
    recorder.close()


def test_each_start_has_rings_of_its_own(tmp_path):
    first = Recorder(tmp_path, capacity=64)
    second = Recorder(tmp_path, RingKind.LOAD, capacity=64)
    names = sorted(path.suffix for path in tmp_path.iterdir())
    assert names == [".detail", ".detail", ".ring", ".ring"]
    reader = RingReader(second.ring.path)
    assert reader.header.kind == RingKind.LOAD
    reader.close()
    first.close()
    second.close()


def test_closing_gives_both_rings_up(recorder):
    reader = RingReader(recorder.ring.path)
    recorder.close()
    assert reader.writer_is_gone()
    reader.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="cannot make the folder"):
        Recorder(tmp_path / "file" / "rings")
