"""`docs/server.md` says what is so: its rules are the code's, its counts those of the corpus."""

import re

from servescope.wire.http1_rules import Rule
from tests.contracts import hostile_asgi_apps, hostile_wsgi_apps
from tests.corpus.http_cases import load_cases
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "server.md").read_text()
CASES = load_cases()


def test_every_rule_is_told():
    told = re.findall(r"^\| ([45][0-9]{2}) (.+?) \|", PAGE, re.MULTILINE)
    rules = [(str(status), sentence) for status, sentence in (rule.value for rule in Rule)]
    assert sorted(told) == sorted(rules)


def test_the_size_of_the_corpus():
    refused = sum(case.is_refused for case in CASES)
    assert f"{len(CASES)} requests, {refused} of which" in PAGE


def test_the_size_of_the_catalogue_of_hostile_apps():
    sizes = len(hostile_wsgi_apps.CASES), len(hostile_asgi_apps.CASES)
    assert "{} WSGI and {} ASGI apps".format(*sizes) in PAGE


def test_what_is_named_exists():
    for path in re.findall(r"`((?:tests|benchmarks|servescope)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path
