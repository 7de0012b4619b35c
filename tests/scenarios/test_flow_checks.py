"""The flows that may be sent: each request is one request, each placeholder has a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import (
    BodyKind,
    CarriedValue,
    Constant,
    DataRows,
    Flow,
    RequestStep,
    Scenario,
    ValueSource,
    WebSocketStep,
)
from servescope.scenarios.flow_checks import check_data, check_flows
from servescope.scenarios.placeholders import RequestTemplate
from servescope.wire.http1_client import request_bytes

POINTER = ValueSource.JSON_POINTER
DATA = DataRows(("user", "note"), (("ada", "hello"), ("grace", "a\r\nX: y")))


def refusal_of(*flows: Flow, data: DataRows = DATA) -> str:
    with pytest.raises(LoadRefusedError) as caught:
        check_flows(Scenario(Constant(1, 1), flows, data=data))
    return str(caught.value)


def refusal_of_step(*steps: object, **changes: object) -> str:
    return refusal_of(Flow(steps or (RequestStep(**changes),)))


def carry(
    name: str = "token", source: ValueSource = POINTER, expression: str = "/t"
) -> RequestStep:
    return RequestStep(carried=(CarriedValue(name, source, expression),))


@pytest.mark.parametrize(
    "target",
    [
        "/", "/a/b.html", "/search?q=x&y=%20z", "/?", "/a?b=c?d/e", "/~user/@;v=1", "//a",
        "/%e2%82", "/{n}", "/{user}?note={note}&n={n}",
    ],
)  # fmt: skip
def test_a_sound_target_passes(target):
    check_flows(Scenario(Constant(1, 1), (Flow((RequestStep(target=target),)),), data=DATA))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("", "does not start with '/'"),
        ("http://example.org/", "does not start with '/'"),
        ("*", "does not start with '/'"),
        ("{user}", "does not start with '/'"),
        ("/a b", "may not hold ' ' (at position 3)"),
        ("/{n}/a b", "may not hold ' ' (at position 7)"),
        ("/a\r\nX: y", "may not hold '\\r' (at position 3)"),
        ("/a\x00", "may not hold '\\x00'"),
        ("/é", "may not hold 'é' (at position 2); percent-encode it"),
        ("/a#b", "may not hold '#'"),
        ("/a%zz", "may not hold '%'"),
        ("/a\n", "may not hold '\\n'"),
        ("/" + "a" * 9_000, "has 9,001 characters; it may have at most 8,190"),
        ("/{", "the target: a '{' at position 2 belongs to no placeholder"),
        ("/{{n}}", "may hold a brace (at position 2) only around a placeholder; write %7B"),
        (
            "/{name}",
            "the target: {name} has no value; these have: {n}, {user}, {note}",
        ),
        ("/" + "{note}" * 800, "characters with its values; it may have at most 8,190"),
    ],
)
def test_an_unsound_target_is_refused(target, sentence):
    assert sentence in refusal_of_step(target=target)
    assert sentence in refusal_of_step(WebSocketStep(target=target))


@given(st.text(max_size=20))
def test_a_target_that_passes_is_one_request_line(text):
    try:
        check_flows(Scenario(Constant(1, 1), (Flow((RequestStep(target="/" + text),)),)))
    except LoadRefusedError:
        return
    target = RequestTemplate(RequestStep(target="/" + text)).target.fill({"n": "12"})
    data = request_bytes(target, "h")
    assert data == f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode("ascii")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "get"}, "the method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not"),
        ({"method": "CONNECT"}, "not 'CONNECT'"),
        ({"name": "x" * 101}, "the name of a request has at most 100 characters"),
        ({"body": "x"}, "GET has no body; choose POST, say, or empty the body"),
        ({"headers": (("", "x"),)}, "'' is no name of a header field"),
        ({"headers": (("A b", "x"),)}, "'A b' is no name of a header field"),
        ({"headers": (("X\r\nY", "x"),)}, "is no name of a header field"),
        ({"headers": (("Host", "x"),)}, "the header field 'Host' is written by the generator"),
        ({"headers": (("content-length", "5"),)}, "is written by the generator itself"),
        ({"headers": (("X", "a\r\nY: z"),)}, "the header field 'X': a header field may not hold"),
        ({"headers": (("X", "€"),)}, "a header field may not hold '€'"),
        ({"headers": (("X", "x" * 9_000),)}, "the header field 'X' has 9,000 characters"),
        (
            {"headers": (("X", "{note}"),)},
            "the header field 'X': column 'note', row 2 of the data: a header field may not hold",
        ),
        ({"headers": (("X", "{who}"),)}, "the header field 'X': {who} has no value"),
        ({"headers": (("X", "y"),) * 51}, "the number of header fields is between 0 and 50"),
        (
            {"method": "POST", "body": "x" * 262_145},
            "the body has 262,145 bytes; it may have at most 262,144",
        ),
        ({"send_seconds": 61}, "the time to send a request is between 0 and 60"),
        ({"read_seconds": -1}, "the time to read an answer is between 0 and 60"),
        ({"method": "POST", "body": "{who}"}, "the body: {who} has no value"),
        ({"method": "POST", "body": "\ud800"}, "the body holds '\\ud800', which is half a"),
        (
            {"method": "POST", "body": '{"a": }', "body_kind": BodyKind.JSON},
            "the body is no JSON: Expecting value",
        ),
    ],
)
def test_an_unsound_request_is_refused(changes, sentence):
    assert sentence in refusal_of_step(**changes)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (WebSocketStep(messages=("{who}",)), "message 1: {who} has no value"),
        (WebSocketStep(messages=("a", '{"b": 1}')), "message 2: '{\"b\": 1}' at position 1 is no"),
        (WebSocketStep(messages=("a",) * 101), "the number of messages is between 0 and 100"),
        (WebSocketStep(seconds_between=-1), "the time between messages is between 0 and 60"),
    ],
)
def test_an_unsound_web_socket_conversation_is_refused(step, sentence):
    assert sentence in refusal_of_step(step)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (carry("n"), "'n' has the name of the counter or of a column"),
        (carry("user"), "'user' has the name of the counter or of a column"),
        (carry("a b"), "'a b' is no name of a carried value"),
        (carry(expression="token"), "is taken from 'token', which is no JSON pointer (RFC 6901)"),
        (carry(expression="/~2"), "which is no JSON pointer"),
        (carry(source=ValueSource.HEADER), "from '/t', which is no name of a header field"),
        (
            RequestStep(carried=carry().carried * 11),
            "the number of carried values is between 0 and 10",
        ),
    ],
)
def test_an_unsound_carried_value_is_refused(step, sentence):
    assert sentence in refusal_of_step(step)


def test_a_carried_value_is_known_from_the_next_step_on():
    uses = RequestStep(target="/{token}")
    check_flows(Scenario(Constant(1, 1), (Flow((carry(), uses)),)))
    check_flows(Scenario(Constant(1, 1), (Flow((carry(), RequestStep(), uses)),)))
    assert refusal_of(Flow((uses, carry()))).startswith("step 1: the target: {token} has no value")
    assert refusal_of(Flow((carry(),)), Flow((uses,))).startswith("flow 2: the target: {token}")


def test_a_carried_value_may_be_the_whole_target_of_a_later_step():
    follow = RequestStep(target="{token}")
    check_flows(Scenario(Constant(1, 1), (Flow((carry(), follow)),)))
    assert "does not start with '/'" in refusal_of_step(follow, carry())


def test_a_refusal_says_which_step_of_which_flow():
    bad = Flow((RequestStep(), RequestStep(target="x")))
    assert refusal_of(Flow((RequestStep(),)), bad).startswith("step 2 of flow 2: the target 'x'")


def test_a_cookie_is_written_by_the_flow_that_keeps_cookies():
    step = RequestStep(headers=(("Cookie", "a=b"),))
    check_flows(Scenario(Constant(1, 1), (Flow((step,)),)))
    assert "'Cookie' is written by the generator" in refusal_of(Flow((step,), cookies=True))


@pytest.mark.parametrize(
    ("flows", "sentence"),
    [
        ((), "the number of flows is between 1 and 50, not 0"),
        ((Flow((RequestStep(),)),) * 51, "not 51"),
        ((Flow(()),), "the number of steps is between 1 and 20, not 0"),
        ((Flow((RequestStep(),) * 21),), "not 21"),
        ((Flow((RequestStep(),), weight=0),), "the weight is above 0 and at most 1,000,000, not 0"),
        (
            (Flow((RequestStep(),)), Flow((RequestStep(),), weight=-1)),
            "the weight of flow 2 is above 0",
        ),
    ],
)
def test_flows_have_bounds(flows, sentence):
    assert sentence in refusal_of(*flows)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (DataRows(("a", "a"), (("1", "2"),)), "each column of the data has a name of its own"),
        (DataRows(("a", ""), (("1", "2"),)), "each column of the data has a name of its own"),
        (DataRows(("n",), (("1",),)), "no column of the data is called 'n': that is the counter"),
        (DataRows(("a",), ()), "the number of data rows is between 1 and 10,000, not 0"),
        (DataRows(("a",), (("1",),) * 10_001), "not 10,001"),
        (DataRows(("a", "b"), (("1", "2"), ("1",))), "row 2 of the data has 1 values for 2"),
        (DataRows(("a",), (("\ud800",),)), "row 1 of the data holds '\\ud800'"),
    ],
)
def test_data_is_a_table_of_named_columns(data, sentence):
    with pytest.raises(LoadRefusedError) as caught:
        check_data(data)
    assert sentence in str(caught.value)
