"""The compiled caller and the one in Python, asked the same: they do, tell and record the same."""

from itertools import islice

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound

from servescope.middleware.wsgi import WsgiRecording
from tests.middleware.conftest import CALLERS
from tests.middleware.wsgi_calls import Matched, Sized, environ


class Stubborn:
    """Raises once, and would go on."""

    def __init__(self, blocks, _fault):
        self.blocks = [OSError("once"), *blocks]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.blocks:
            raise StopIteration
        block = self.blocks.pop(0)
        if isinstance(block, OSError):
            raise block
        return block


class Closable:
    def __init__(self, blocks, fault):
        self.blocks = iter(blocks)
        self.fault = fault

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        if self.fault == "in close":
            raise OSError("in close")


class Noting:
    """A recording that keeps what a caller asks of it, but for the times."""

    def __init__(self):
        self.asked = []
        self.recording = WsgiRecording("shop")
        self.streams, self.outlines = self.recording.streams, self.recording.outlines

    def key(self, call):
        return self.recording.key(call)

    def unusual(self, call, flags):
        key = self.key(call)
        is_failed = not call.status[:3].isdigit() or call.status >= "4"
        self.asked.append(("unusual", key, flags, call.sent, call.is_recorded))
        if call.environ["REQUEST_METHOD"] == "HEAD":
            call.sent = 0
        elif not is_failed:
            self.outlines[key] = len(self.outlines)
        return 7, flags | 4096, is_failed

    def rule_instead(self, request):
        return self.recording.rule_instead(request)

    def handed_on(self, call):
        return self.recording.handed_on(call)

    def fail(self, call):
        self.asked.append(("fail", call.sent, call.status, call.is_recorded))
        WsgiRecording.fail(self, call)

    def leave(self, call):
        self.asked.append(("leave", call.sent))
        WsgiRecording.leave(self, call)

    def keep_detail(self, call, end_ns, flags, received, ended_s):
        assert call.began_s <= (call.head_s or ended_s) <= ended_s
        self.asked.append(("detail", end_ns, flags, received, call.sent, call.status))

    def record(self, outlined, flags, received, sent, kernel_ns, began_s, head_s, write_s, ended_s):
        assert began_s <= head_s <= ended_s
        assert 0.0 <= write_s <= ended_s - began_s
        assert kernel_ns == 0.0
        self.asked.append(("record", outlined, flags, received, sent))
        return 17 if sent % 2 else 0


statuses = st.sampled_from(
    ["\xb2\xb2\xb2 Two", "200 OK", "204 No Content", "404 Not Found", "500 Oops", "no status"]
)
lengths = st.sampled_from([None, "", "0", "5", "12", "007", "x", "-3", "1" * 19, "1" * 20, "\xb2"])
rules = st.sampled_from(
    ["no request", "no such attribute", "none that fits", None, "/users/<int:n>"]
)
blocks = st.lists(st.sampled_from([b"", b"x", b"hello", b"hello", bytearray(b"ab"), "te", 7]))
faults = st.sampled_from([None, None, None, "before start", "after start", "in body", "in close"])


@st.composite
def requests(draw):
    return {
        "method": draw(st.sampled_from(["GET", "POST", "HEAD", "BREW"])),
        "path": draw(st.sampled_from(["/", "/users/17", "/caf\xc3\xa9"])),
        "without": draw(st.sampled_from([None, None, "SCRIPT_NAME", "SERVER_PROTOCOL"])),
        "route": draw(st.sampled_from([None, None, "/told"])),
        "length": draw(lengths),
        "rule": draw(rules),
        "status": draw(statuses),
        "announced": draw(lengths),
        "starts": draw(st.sampled_from(["positional", "named", "twice", "with None"])),
        "writes": draw(blocks),
        "kind": draw(st.sampled_from(list(BODIES))),
        "blocks": draw(blocks),
        "fault": draw(faults),
        "takes": draw(st.sampled_from([0, 1, 2, 99])),
        "closes": draw(st.integers(0, 2)),
        "goes on": draw(st.booleans()),
    }


def begin(asked, start):
    """Start the response in one of the ways that PEP 3333 has."""
    headers = [] if asked["announced"] is None else [("Content-length", asked["announced"])]
    if asked["starts"] == "named":
        return start(headers=headers, status=asked["status"])
    if asked["starts"] == "with None":
        return start(asked["status"], headers, None)
    write = start(asked["status"], headers)
    if asked["starts"] == "twice":
        write = start("201 Created", headers, exc_info=(OSError, OSError("first"), None))
    return write


def blocks_then(blocks, fault):
    yield from blocks
    if fault == "in body":
        raise OSError(fault)


BODIES = {
    "list": lambda blocks, _fault: list(blocks),
    "tuple": lambda blocks, _fault: tuple(blocks),
    "generator": blocks_then,
    "sized": lambda blocks, _fault: Sized(blocks),
    "closable": Closable,
    "stubborn": Stubborn,
    "None": lambda _blocks, _fault: None,
}


def app_of(asked):
    fault = asked["fault"]

    def app(_environ, start):
        if fault == "before start":
            raise OSError(fault)
        write = begin(asked, start)
        for block in asked["writes"]:
            write(block)
        if fault == "after start":
            raise OSError(fault)
        return BODIES[asked["kind"]](asked["blocks"], fault)

    return app


def environ_of(asked):
    given = environ(asked["path"], asked["method"])
    if asked["without"]:
        del given[asked["without"]]
    if asked["route"]:
        given["servescope.route"] = asked["route"]
    if asked["length"] is not None:
        given["CONTENT_LENGTH"] = asked["length"]
    if asked["rule"] != "no request":
        given["werkzeug.request"] = Matched(
            None if asked["rule"] == "none that fits" else asked["rule"],
            NotFound() if asked["rule"] == "none that fits" else None,
        )
        if asked["rule"] == "no such attribute":
            del given["werkzeug.request"].url_rule
    return given


def serve(app, asked, seen):
    """What a server does with one request; `seen` gets all that it and the app's callees see."""

    def start(status, headers, *exc_info):
        seen.append(("start", status, headers, exc_info[:1] and repr(exc_info[0][:2])))
        return lambda data: seen.append(("write", data))

    result = app(environ_of(asked), start)
    seen.append(("result", type(result) in {list, tuple}, hasattr(result, "__len__")))
    close = getattr(result, "close", None)
    blocks = iter(result)
    try:
        seen += (("block", block) for block in islice(blocks, asked["takes"]))
    finally:
        for _ in range(asked["closes"] if close else 0):
            close()
        if asked["goes on"]:  # which no server should
            seen += (("late block", block) for block in blocks)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(asked=st.lists(requests(), min_size=1, max_size=4))
def test_both_callers_do_and_tell_the_same(asked):
    seen = {}
    for name, caller in CALLERS.items():
        recording = Noting()
        seen[name] = recording.asked
        for one in asked:
            try:
                serve(caller(app_of(one), recording), one, seen[name])
            except (OSError, TypeError) as error:
                # In which words nothing is no body is no matter.
                words = str(error) if isinstance(error, OSError) else ""
                seen[name].append((type(error), words))
    assert seen["compiled"] == seen["in Python"]
