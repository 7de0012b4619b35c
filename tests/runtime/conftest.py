"""Runs of load without the start of an interpreter for each generator."""

import pytest

from tests.prepared_children import forked_children, prepared_parent


@pytest.fixture(scope="module")
def forked_processes():
    """The load generators and the processes that host an app are forked, for all of a module."""
    prepared_parent()  # a child of this process: it is there before a test counts them
    with forked_children():
        yield
