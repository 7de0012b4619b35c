"""The one owner of a descriptor."""

import os
import threading

import pytest

from servescope.hosting.open_file import OpenFile


@pytest.fixture
def closed(monkeypatch):
    """Numbers that were given to close(2)."""
    numbers = []
    close = os.close

    def noted(descriptor):
        numbers.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", noted)
    return numbers


@pytest.fixture
def descriptor():
    return os.open(os.devnull, os.O_RDONLY)


def test_it_is_closed_once_however_often_it_is_asked_to(descriptor, closed):
    with OpenFile(descriptor) as file:
        assert file.fileno() == descriptor
        file.close()
        file.close()
    assert closed == [descriptor]
    for act in (file.fileno, file.moved):
        with pytest.raises(ValueError, match="closed"):
            act()


def test_a_new_owner_closes_it_and_the_old_one_does_not(descriptor, closed):
    with OpenFile(descriptor) as file:
        new = file.moved()
    assert closed == []
    assert new.fileno() == descriptor
    new.close()
    assert closed == [descriptor]


def test_what_is_raised_before_it_is_handed_on_closes_it(descriptor, closed):
    with pytest.raises(ZeroDivisionError), OpenFile(descriptor):
        raise ZeroDivisionError
    assert closed == [descriptor]


def test_of_many_threads_one_closes_it(closed):
    for _ in range(50):
        file = OpenFile(os.open(os.devnull, os.O_RDONLY))
        together = threading.Barrier(4)

        def close(file=file, together=together):
            together.wait()
            file.close()

        threads = [threading.Thread(target=close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(closed) == 50
