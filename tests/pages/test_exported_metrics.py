"""An export of a page holds every metric that the page's graphs draw."""

import sys

import pytest

from servescope.control import Control
from servescope.queries.lines import RECORDED_EACH_SECOND
from servescope.queries.span import Span
from servescope.settings import Settings
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.page_files import live_pages

OPERATIONS = {"aggregate", "mean", "quantiles", "heatmap", "total"}


class RecordingStore:
    """A store that notes the metric of every query."""

    def __init__(self, store):
        self._store = store
        self.metrics = set()

    def __getattr__(self, name):
        operation = getattr(self._store, name)
        if name not in OPERATIONS:
            return operation

        def noted(query, *further):
            self.metrics.add(query.metric)
            return operation(query, *further)

        return noted


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield RecordingStore(opened)
    opened.close()


@pytest.fixture
def context(store, tmp_path):
    control = Control(tmp_path)
    yield leading_process(store, control, Settings(data_dir=tmp_path)).home
    control.close()


@pytest.mark.parametrize("name", [page.module for page in live_pages()])
def test_the_metrics_of_all_graphs_are_exported(app, name, context, store):
    del app  # a page imported before the app exists raises PageError
    page = sys.modules[f"pages.{name}"].PAGE
    span = Span(1_700_000_000, 1_700_000_300, 1)
    for graph in page.graphs:
        graph.ask(context, span, ("",) * len(page.filters))
    assert store.metrics
    # That one says which seconds were recorded, and draws nothing.
    assert store.metrics - {RECORDED_EACH_SECOND} <= set(page.metrics)
