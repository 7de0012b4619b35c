"""An app of `python -m servescope serve` stands on the pages of a dashboard with its gauges."""

import pytest

from tests.commands.served import WSGI, Served
from tests.processes import eventually

pytestmark = pytest.mark.browser

OPEN = "mine connections open"
DRAWS = """name => (document.querySelector('#ports-inside .live-graph-plot')?.data || [])
    .find(trace => trace.name?.startsWith(name))?.y.includes(3)"""


@pytest.fixture
def served(dashboard):
    served = Served(dashboard.folder, WSGI, "--port", "0", "--name", "mine")
    yield served
    served.close()


def test_the_gauges_of_a_served_app_are_drawn(open_page, served):
    opened = open_page("/ports").wait_drawn("ports-queues")
    graph = opened.page.locator("#ports-inside")

    def drawn():
        graph.scroll_into_view_if_needed()  # drawn only in sight, and what is above it still grows
        return opened.page.evaluate(DRAWS, OPEN)

    with served.clients(3):
        eventually(drawn, 40, step=0.2)
