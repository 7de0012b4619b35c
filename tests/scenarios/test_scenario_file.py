"""Scenario files: what is written is read back, and what is wrong is told by its key."""

from __future__ import annotations

from contextlib import suppress

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
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
    ValueSource,
    WebSocketStep,
)
from servescope.scenarios.scenario_file import (
    ScenarioFile,
    csv_of,
    data_of_csv,
    from_toml,
    read_scenario,
    to_toml,
)

NO_SURROGATES = st.characters(exclude_categories=["Cs"])
TEXT = st.text(NO_SURROGATES, max_size=12) | st.sampled_from(
    ["a\nb", "'''", '"""', "\\", "a'b\n", '{"a": "{n}"}\n', "\r\n", "\x7f\t", "tab\there\nquote\"'"]
)
NUMBER = st.floats(allow_nan=False) | st.integers(0, 10**6)


def schedules(flows: int):
    return st.one_of(
        st.builds(Constant, NUMBER, NUMBER),
        st.builds(Poisson, NUMBER, NUMBER),
        st.builds(Ramp, NUMBER, NUMBER, NUMBER),
        st.builds(Steps, st.lists(NUMBER, max_size=3).map(tuple), NUMBER),
        st.builds(Spike, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER),
        st.builds(Users, st.integers(), NUMBER, NUMBER),
        st.builds(
            Recorded,
            st.lists(st.tuples(*[st.integers()] * flows), max_size=3).map(tuple),
            NUMBER,
            TEXT,
        ),
    )


CARRIED = st.builds(CarriedValue, TEXT, st.sampled_from(ValueSource), TEXT)
REQUESTS = st.builds(
    RequestStep,
    TEXT,
    TEXT,
    TEXT,
    st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    TEXT,
    st.sampled_from(BodyKind),
    st.lists(CARRIED, max_size=2).map(tuple),
)
WEB_SOCKETS = st.builds(WebSocketStep, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple), NUMBER)
FLOWS = st.builds(
    Flow,
    st.lists(REQUESTS | WEB_SOCKETS, min_size=1, max_size=3).map(tuple),
    NUMBER,
    st.booleans(),
)
DATA = st.integers(1, 3).flatmap(
    lambda width: st.builds(
        DataRows,
        st.tuples(*[st.text(NO_SURROGATES, min_size=1).map(lambda name: f"c{name}")] * width),
        st.lists(st.tuples(*[TEXT] * width), max_size=3).map(tuple),
    )
)
SCENARIOS = st.integers(1, 3).flatmap(
    lambda count: st.builds(
        Scenario,
        schedules(count),
        st.tuples(*[FLOWS] * count),
        TEXT,
        st.booleans(),
        NUMBER,
        st.integers(),
        st.integers(),
        st.just(DataRows()) | DATA,
        st.lists(TEXT, max_size=2).map(tuple),
    )
)
FILES = st.builds(ScenarioFile, SCENARIOS, TEXT) | st.builds(
    ScenarioFile, SCENARIOS, st.just(""), TEXT
)


@given(FILES)
def test_what_is_written_is_read_back(file):
    text = to_toml(file)
    assert from_toml(text) == file
    assert to_toml(from_toml(text)) == text


@given(DATA)
def test_data_comes_back_from_csv(data):
    assert data_of_csv(csv_of(data)) == data


def test_a_file_is_easy_to_read():
    mix = (
        Flow(
            (
                RequestStep(
                    "sign in",
                    "POST",
                    "/login",
                    (("Accept", "application/json"),),
                    '{"user": "{user}"}',
                    BodyKind.JSON,
                    (CarriedValue("token", ValueSource.JSON_POINTER, "/token"),),
                ),
                RequestStep(target="/notes?token={token}"),
            ),
            weight=3.0,
            cookies=True,
        ),
        Flow((RequestStep(target="/"),)),
    )
    data = DataRows(("user",), (("ada",), ("grace",)))
    scenario = Scenario(Ramp(0, 400, 20.5), mix, "shop", data=data, rules=("p99 < 50 ms",))
    assert to_toml(ScenarioFile(scenario, "wsgi")) == WRITTEN


WRITTEN = """\
listener = "wsgi"
name = "shop"
rules = ["p99 < 50 ms"]

[schedule]
kind = "ramp"
from_rate = 0
to_rate = 400
seconds = 20.5

[[flows]]
weight = 3
cookies = true

[[flows.steps]]
method = "POST"
target = "/login"
name = "sign in"
headers = { Accept = "application/json" }
body = '{"user": "{user}"}'
body_kind = "json"
carried = [{ name = "token", json_pointer = "/token" }]

[[flows.steps]]
method = "GET"
target = "/notes?token={token}"

[[flows]]
method = "GET"
target = "/"

[data]
csv = '''
user
ada
grace
'''
"""


def test_the_shortest_file():
    file = from_toml('[schedule]\nkind = "constant"\nrate = 5\nseconds = 2')
    assert file == ScenarioFile(Scenario(Constant(5, 2)))


SCHEDULE = '[schedule]\nkind = "constant"\nrate = 5\nseconds = 2\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "schedule is missing"),
        ("a =", "the file is no TOML: Invalid value"),
        ("[" * 20_000, "the file is no TOML"),
        ("x" * 5_000_000, "a scenario file has at most 4,194,304 characters"),
        ("speed = 1\n" + SCHEDULE, "speed is no key of a scenario; the file has: schedule, flows"),
        ("schedule = 5", "schedule is a table, not 5"),
        ("[schedule]\nrate = 5", "schedule.kind is one of constant, poisson, ramp, steps, spike"),
        ("[schedule]\nkind = 'slow'", "not 'slow'"),
        ("[schedule]\nkind = ['ramp']", "not ['ramp']"),
        ("[schedule]\nkind = 'ramp'\nrate = 1", "schedule.rate is no key of a scenario; schedule "),
        ("[schedule]\nkind = 'constant'\nrate = 1", "schedule.seconds is missing"),
        (
            "[schedule]\nkind = 'constant'\nrate = '5'\nseconds = 1",
            "rate is a number, not",
        ),
        (
            "[schedule]\nkind = 'constant'\nrate = true\nseconds = 1",
            "rate is a number, not",
        ),
        (
            f"[schedule]\nkind = 'constant'\nrate = {'9' * 400}\nseconds = 1",
            "schedule.rate is too large a number",
        ),
        (
            "[schedule]\nkind = 'users'\nusers = 1.5\nthink_seconds = 1\nseconds = 1",
            "schedule.users is a whole number, not 1.5",
        ),
        (
            "[schedule]\nkind = 'steps'\nrates = [1, 'b']\nstep_seconds = 1",
            "schedule.rates[2] is a number, not 'b'",
        ),
        ("seed = true\n" + SCHEDULE, "seed is a whole number, not true"),
        ("keep_alive = 1\n" + SCHEDULE, "keep_alive is true or false, not 1"),
        ("name = 5\n" + SCHEDULE, "name is a text, not 5"),
        ("rules = 'p99 < 5 s'\n" + SCHEDULE, "rules is an array, not 'p99 < 5 s'"),
        ("listener = 'a'\norigin = 'http://b'\n" + SCHEDULE, "listener and origin exclude each"),
        (
            SCHEDULE + "[[flows]]\nwieght = 1",
            "flows[1].wieght is no key of a scenario",
        ),
        (SCHEDULE + "[[flows]]\nsteps = []\ntarget = '/'", "flows[1].target is no key"),
        (
            SCHEDULE + "[[flows]]\n[[flows]]\n[[flows.steps]]\n[[flows.steps]]\nmethod = 5",
            "flows[2].steps[2].method is a text, not 5",
        ),
        (
            SCHEDULE + "[[flows]]\nbody_kind = 'xml'",
            "flows[1].body_kind is one of text, json",
        ),
        (SCHEDULE + "[[flows]]\nheaders = { A = 5 }", "flows[1].headers.A is a text, not 5"),
        (SCHEDULE + "[[flows]]\nheaders = [['A']]", "flows[1].headers has pairs of a name and a"),
        (SCHEDULE + "[[flows]]\nheaders = 'A: b'", "flows[1].headers is an array, not 'A: b'"),
        (
            SCHEDULE + "[[flows]]\ncarried = [{ name = 'a' }]",
            "flows[1].carried[1] has a name and one of json_pointer, header",
        ),
        (
            SCHEDULE + "[[flows]]\ncarried = [{ name = 'a', cookie = 'b' }]",
            "flows[1].carried[1].cookie is no key of a scenario",
        ),
        (SCHEDULE + "[[flows]]\nmessages = [5]", "flows[1].messages[1] is a text, not 5"),
        (
            SCHEDULE + "[[flows]]\nmessages = []\nbody = 'a'",
            "flows[1].body is no key",
        ),
        (SCHEDULE + "[data]", "data has either csv, the rows themselves, or file"),
        (SCHEDULE + "[data]\nrows = []", "data.rows is no key of a scenario; data has: csv, file"),
        (SCHEDULE + "[data]\ncsv = ''", "the data is empty: its first row has the names"),
        (SCHEDULE + "[data]\ncsv = 'a\"b\nc\"'", "the file is no TOML"),
        (SCHEDULE + "[data]\ncsv = '''\"a''' ", "the data is no CSV: unexpected end of data"),
        (SCHEDULE + "[data]\nfile = 'u.csv'", "data.file names 'u.csv', which is not here"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(LoadRefusedError) as caught:
        from_toml(text)
    assert sentence in str(caught.value)


KEYS = st.sampled_from(["schedule", "flows", "steps", "kind", "rate", "data", "csv", "headers"])
VALUES = st.recursive(
    st.booleans() | st.integers() | st.just("constant"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_file_of_any_shape_is_read_or_refused(table):
    text = "\n".join(f"{key} = {inline(value)}" for key, value in table.items())
    with suppress(LoadRefusedError):
        assert from_toml(text).scenario.flows


def inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'


def test_data_stands_in_a_file_beside_it(tmp_path):
    (tmp_path / "users.csv").write_text("\ufeffuser,city\nada,London\n\ngrace,'New York'\n")
    path = tmp_path / "shop.toml"
    path.write_text(SCHEDULE + "[data]\nfile = 'users.csv'")
    data = read_scenario(path).scenario.data
    assert data == DataRows(("user", "city"), (("ada", "London"), ("grace", "'New York'")))


@pytest.mark.parametrize("name", ["/etc/passwd", "../other.csv", "link.csv", "sub/../../other.csv"])
def test_data_beyond_the_folder_is_refused(tmp_path, name):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "other.csv").write_text("a\n1\n")
    (folder / "link.csv").symlink_to(tmp_path / "other.csv")
    path = folder / "s.toml"
    path.write_text(SCHEDULE + f"[data]\nfile = '{name}'")
    with pytest.raises(LoadRefusedError, match=r"data\.file is a file in the folder of"):
        read_scenario(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(LoadRefusedError, match=r"s\.toml cannot be read: No such file"):
        read_scenario(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff")
    with pytest.raises(LoadRefusedError, match=r"s\.toml is no text in UTF-8"):
        read_scenario(tmp_path / "s.toml")
