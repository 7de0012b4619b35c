"""The trace-id of a `traceparent` field (W3C Trace Context, section 3.2)."""

import pytest

from servescope.recording.detail_layout import NO_TRACE
from servescope.recording.trace_context import trace_id_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "field",
    [
        f"00-{TRACE}-{PARENT}-01",
        f" 00-{TRACE}-{PARENT}-00 ",
        f"01-{TRACE}-{PARENT}-01-more",
        f"01-{TRACE}-{PARENT}-01",
    ],
    ids=["usual", "white space", "a later version", "a later version without more"],
)
def test_the_trace_id_of_a_valid_field(field):
    assert trace_id_of(field).hex() == TRACE


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("", id="no field"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", id="version ff"),
        pytest.param(f"00-{TRACE.upper()}-{PARENT}-01", id="upper case"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", id="trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="parent of zeros"),
        pytest.param(f"00-{TRACE[1:]}-{PARENT}-01", id="too short"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-more", id="more in version 00"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-", id="a dash behind version 00"),
        pytest.param(f"01-{TRACE}-{PARENT}-01more", id="a later version without a dash"),
    ],
)
def test_no_trace_id_of_an_invalid_field(field):
    assert trace_id_of(field) == NO_TRACE
