"""One dashboard for the tests of all chapters.

To start one takes 2 s of CPU, as long as a test here. A chapter shows the experiment of its address
and no other one, and leads to the span of that.
"""

import pytest

from tests.processes import Dashboards


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("chapters"))
    yield dashboards()
    dashboards.end()
