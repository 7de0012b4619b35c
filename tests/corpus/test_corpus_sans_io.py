"""The corpus through `wire/` and `hosting/`, sans-IO: whole, by bytes, with more behind."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from servescope.errors import ProtocolError
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.hosting.static.folder import StaticFolder
from servescope.hosting.wsgi import WsgiHost
from servescope.records.listeners import ListenerOptions
from servescope.wire.http1_events import BodyData, EndOfMessage, Refusal, RequestHead
from servescope.wire.http1_rules import Limits, Rule
from servescope.wire.websocket_handshake import asks_for_websocket, read_handshake
from tests.corpus.corpus_answers import SWITCHING, differences, methods_of, read_answers
from tests.corpus.corpus_apps import LIMITS, make_folder, wsgi_echo
from tests.corpus.http_cases import INTERIM, Case, CorpusError, _load, load_cases, unescape
from tests.hosting.response_sink import Sink
from tests.wire.feeding import byte_by_byte, events_under

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servescope.wire.http1_events import Event

CASES = load_cases()
PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


events_of = functools.partial(events_under, Limits(**LIMITS))


def test_the_corpus_is_large_and_names_its_sections():
    assert len(CASES) >= 400
    assert sum(case.is_refused for case in CASES) >= 200
    assert {case.section.split(":")[0].split(" section ")[0] for case in CASES} >= {
        f"RFC {number}" for number in (3986, 6265, 6455, 6585, 7692, 9110, 9112)
    }


def test_every_rule_has_a_case_that_breaks_it():
    assert {answer.rule for case in CASES for answer in case.answers if answer.rule} == {
        rule.name for rule in Rule
    }


@each_case
def test_events(case: Case):
    whole = events_of([case.sent])
    heads = [event for event in whole if isinstance(event, RequestHead)]
    wanted = [one for one in case.answers if one.status != INTERIM]
    for answer, head in zip(wanted, heads, strict=False):
        if not answer.rule:
            assert (head.method, head.target) == (answer.method, answer.target)
    refusals = [event for event in whole if isinstance(event, Refusal)]
    assert [(one.status, one.reason) for one in refusals] == [
        Rule[answer.rule].value for answer in wanted if answer.rule
    ]
    if refusals:
        assert whole[-1] is refusals[0]
    if case.app == "echo":
        _assert_messages(whole, [one for one in wanted if not one.rule])
    assert events_of(byte_by_byte(case.sent)) == whole
    longer = events_of([case.sent + PROBE])
    if refusals:
        assert longer == whole, "nothing is read after a refusal"
    elif case.end == "open":
        assert longer[: len(whole)] == whole
        assert [one.target for one in longer if isinstance(one, RequestHead)][-1] == "/probe"


def _assert_messages(events: list[Event], wanted: list) -> None:
    """Content and trailers of the messages that are complete."""
    found, body = [], b""
    for event in events:
        if isinstance(event, RequestHead):
            body = b""
        elif isinstance(event, BodyData):
            body += event.data
        elif isinstance(event, EndOfMessage):
            found.append((body, list(event.trailers)))
    assert found == [(answer.body, answer.trailers) for answer in wanted]


@pytest.fixture(scope="module")
def site_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Site]:
    folder: Path = make_folder(tmp_path_factory.mktemp("corpus"))
    hosts = {
        "echo": WsgiHost(wsgi_echo, multithread=True, multiprocess=False),
        "files": StaticFolder(str(folder)),
    }
    return lambda app: Site("corpus", hosts[app], ListenerOptions(**LIMITS))


def converse(site: Site, parts: list[bytes]) -> tuple[bytes, str]:
    """Everything answered to these bytes, and how the connection stands then."""
    sink = Sink()
    conversation = Conversation(site, ("192.0.2.7", 4321), 0)
    for part in parts:
        need = conversation.receive(part, 1, 0)
        while need is Need.RUN:
            conversation.run(sink)
            need = conversation.finish_cycle(1)
        if need is not Need.READ:
            return sink.out, "closed"
        sink.out += conversation.take_interim()
    stands = "open" if conversation.is_idle else "waiting"
    conversation.close()
    return sink.out, stands


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.app != "websocket"],
    ids=[case.name for case in CASES if case.app != "websocket"],
)
def test_conversation(case: Case, site_of: Callable[[str], Site]):
    end = case.end if case.answers or case.end == "closed" else ("open", "waiting")
    for parts in ([case.sent], byte_by_byte(case.sent)):
        out, stands = converse(site_of(case.app), parts)
        seen, rest = read_answers(out, methods_of(case))
        assert not rest
        assert not differences(case, seen)
        assert stands in end
    if case.end == "waiting":
        return
    out, stands = converse(site_of(case.app), [case.sent + PROBE])
    seen, rest = read_answers(out, methods_of(case))
    assert not rest
    if case.end == "open":
        assert (seen.pop().status, stands) in ((200, "open"), (404, "open"))
    assert not differences(case, seen)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.app == "websocket"],
    ids=[case.name for case in CASES if case.app == "websocket"],
)
def test_handshake(case: Case):
    event = events_of([case.sent])[0]
    status = case.answers[0].status
    if isinstance(event, Refusal):
        assert event.status == status
        return
    assert isinstance(event, RequestHead)
    if not asks_for_websocket(event):
        assert status == 200
    elif status == SWITCHING:
        assert read_handshake(event)
    else:
        with pytest.raises(ProtocolError) as caught:
            read_handshake(event)
        assert caught.value.status == status


@pytest.mark.parametrize(
    ("text", "data"),
    [("a\\r\\n\\t\\0\\\\", b"a\r\n\t\0\\"), ("\\xff", b"\xff"), ("\\{3*a\\n}!", b"a\na\na\n!")],
)
def test_escapes(text: str, data: bytes):
    assert unescape(text) == data


GOOD = "== a\nRFC 9112 section 3: x\n> GET\n< 400 REQUEST_LINE\n= closed\n"


@pytest.mark.parametrize(
    ("change", "to", "line"),
    [
        ("RFC 9112 section 3: x\n", "", 5),
        ("section 3: x", "section 3", 2),
        ("== a", "== A b", 1),
        ("> GET", "> \\q", 3),
        ("> GET", "GET", 3),
        ("< 400 REQUEST_LINE", "< 400", 4),
        ("= closed", "= shut", 5),
        ("= closed\n", "= closed\n> more\n", 6),
        ("= closed\n", "", 5),
    ],
)
def test_a_file_that_breaks_the_format_is_refused(tmp_path: Path, change: str, to: str, line: int):
    path = tmp_path / "bad.txt"
    path.write_text(GOOD)
    assert len(_load(path)) == 1
    path.write_text(GOOD.replace(change, to))
    with pytest.raises(CorpusError, match=f"bad.txt, line {line}: "):
        _load(path)
