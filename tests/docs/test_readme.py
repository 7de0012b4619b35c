"""`README.md` describes the pages that there are."""

import re

from tests.page_files import pages_in_navigation
from tests.processes import ROOT


def documented_pages():
    """Name and path of each page in the README's table, in its order."""
    return re.findall(r"^\| (\w+) `(/\S*)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_the_table_of_pages_has_each_page_in_the_order_of_the_navigation():
    assert documented_pages() == [(page.name, page.path) for page in pages_in_navigation()]
