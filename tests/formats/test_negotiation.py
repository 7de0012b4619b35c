"""The format that a client gets: RFC 9110 section 12.5.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.formats.exposition_text import TextFormat
from servescope.formats.negotiation import choose

TEXT, METRICS = (form.value for form in TextFormat)
OFFERS = (TEXT, METRICS)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("nonsense", TEXT),
        (CHROMIUM, TEXT),
        (PROMETHEUS_3, METRICS),
        ("application/openmetrics-text", METRICS),
        ("application/openmetrics-text; version=0.0.1", None),
        ("application/openmetrics-text;version=1.0.0, text/plain", METRICS),
        ('application/openmetrics-text;version="1.0.0";charset=utf-8', METRICS),
        ("APPLICATION/OpenMetrics-Text;Q=1", METRICS),
        ("text/plain;q=0.2, application/openmetrics-text;q=0.1", TEXT),
        ("text/*;q=0.3, application/*;q=0.4", METRICS),
        ("text/plain;q=0, */*;q=0.1", METRICS),  # the most specific range decides
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/plain;q=high", None),  # a weight that is none accepts nothing
    ],
)
def test_the_preferred_format_is_chosen(accept, chosen):
    assert choose(accept, OFFERS) == chosen


@given(st.text(max_size=200))
def test_no_header_breaks_it(accept):
    assert choose(accept, OFFERS) in {*OFFERS, None}
