"""Behind the WSGI recorder a server and an app do and see what they would without it."""

from itertools import islice

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound

from servescope.middleware.wsgi import ServescopeMiddleware
from servescope.request_fields import RequestFlag
from tests.middleware.wsgi_apps import Matched, Sized, environ


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


class Noted:
    """The records of an app, noted in the place of a ring: (flags, received, sent)."""

    def __init__(self, app):
        self.records = []
        self.app = ServescopeMiddleware(app, listener="shop")
        self.app.recording.data_dir = None
        self.app.recording.record = self.record
        self.app.recording.give_up_on = self.give_up_on

    def record(self, _key, flags, received, sent, kernel_ns, began_s, head_s, write_s, ended_s):
        assert began_s <= head_s <= ended_s
        assert 0.0 <= write_s <= ended_s - began_s
        assert kernel_ns == 0.0
        self.records.append((flags, received, sent))
        return 0

    def give_up_on(self, error):
        raise AssertionError from error


statuses = st.sampled_from(
    ["\xb2\xb2\xb2 Two", "200 OK", "204 No Content", "404 Not Found", "500 Oops", "no status"]
)
LENGTHS = ("0", "5", "12", "007", "1" * 19)
lengths = st.sampled_from([None, "", "x", "-3", "1" * 20, "\xb2", *LENGTHS])
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


def serve(app, asked):
    """The events of a request for a server and the app's callees, up to the error that ends it."""
    seen = []

    def start(status, headers, exc_info=None):
        seen.append(("start", status, headers, exc_info and repr(exc_info[:2])))
        return lambda data: seen.append(("write", data))

    try:
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
    except (OSError, TypeError) as error:
        # In which words nothing is no body is no matter.
        seen.append((type(error), str(error) if isinstance(error, OSError) else ""))
    return seen


def is_sound(asked):
    """Whether the app returns what PEP 3333 asks of it, and its server keeps to it as well.

    Else its fault may show at another moment: a block without a length when it is counted, what is
    no body when it is iterated over.
    """
    blocks = [*asked["writes"], *asked["blocks"]]
    return (
        7 not in blocks
        and asked["kind"] not in {"None", "stubborn"}
        and not asked["goes on"]
        and (asked["closes"] or asked["takes"] > len(asked["blocks"]))
    )


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(asked=requests())
def test_the_recorder_changes_nothing_and_records_each_request_once(asked):
    noted = Noted(app_of(asked))
    seen = serve(noted.app, asked)
    assert len(noted.records) <= 1
    if not is_sound(asked):
        return
    assert seen == serve(app_of(asked), asked)
    if asked["closes"] or seen[-1][0] in {OSError, TypeError}:
        ((flags, received, sent),) = noted.records
        assert not flags & ~(RequestFlag.ABORTED | RequestFlag.APP_ERROR)
        assert received == int(asked["length"] if asked["length"] in LENGTHS else 0)
        passed = [one[1] for one in seen if one[0] in {"write", "block"}]
        if asked["kind"] not in {"list", "tuple"}:
            assert sent == (0 if asked["method"] == "HEAD" else sum(map(len, passed)))
