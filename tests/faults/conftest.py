"""Listeners in processes of their own, ended with the test."""

import pytest

from servescope.records.listeners import AppKind
from servescope.serving.listener import GRACE_SECONDS
from tests.faults.hosted import Hosted


@pytest.fixture
def host(tmp_path):
    """Start one: `host(model, kind=AppKind.WSGI, grace_s=2, **options)`."""
    started = []

    def start(model, kind=AppKind.WSGI, grace_s=GRACE_SECONDS, **options):
        folder = tmp_path / f"rings{len(started)}"
        folder.mkdir()
        started.append(Hosted(folder, model, kind, options, grace_s=grace_s))
        return started[-1]

    yield start
    for hosted in started:
        hosted.close()
