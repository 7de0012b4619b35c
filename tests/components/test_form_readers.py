"""What a browser may send for a field becomes a plan or a reason, whatever it is."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import comparison_form, load_form, query, server_form
from components.callback_requests import VALUES
from components.request_table import is_row, opened
from servescope.errors import LoadRefusedError
from servescope.load.plan import check_shape
from servescope.records import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
    ListenerStatus,
    LoadPlan,
)
from servescope.runtime.comparisons import check_comparison
from servescope.runtime.hostable import objection
from servescope.runtime.listener_config import faults, new_faults
from servescope.runtime.subjects import subjects
from servescope.settings import Settings
from tests.app.callback_payloads import ROW

TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(["/", "0", "-1", "1e999", "9" * 5_000]))
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
FIELDS = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
MODELS = st.one_of(FIELDS, st.lists(st.sampled_from(list(ConcurrencyModel)), max_size=5))
STATUS = ListenerStatus(
    name="wsgi", state=ListenerState.RUNNING, address="127.0.0.1", port=5555,
    model=ConcurrencyModel.THREAD_POOL, app="servescope.demo.flask_app:app", wanted_port=5555,
    message="", since_s=0.0, app_kind=AppKind.WSGI, options=ListenerOptions(),
)  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("settings"))


@given(value=FIELDS)
def test_these_are_the_values_a_field_can_have(value):
    assert VALUES["value"](value)


@given(values=st.tuples(*[FIELDS] * 4))
def test_a_load_run(values):
    plan = load_form.read(*values)
    if isinstance(plan, LoadPlan):
        with suppress(LoadRefusedError):
            check_shape(plan, 20_000, 600)
    else:
        assert plan.endswith(".")


@given(models=MODELS, subject=st.one_of(FIELDS, st.just("hello")), rest=st.tuples(*[FIELDS] * 5))
def test_a_comparison(settings, models, subject, rest):
    plan = comparison_form.read(subjects(settings), models, subject, *rest)
    if isinstance(plan, str):
        assert plan.endswith(".")
        return
    with suppress(LoadRefusedError):
        check_comparison(plan, settings)


@given(values=st.tuples(*[FIELDS] * 7), log=st.one_of(st.none(), st.booleans()))
def test_a_change_of_a_listener(settings, values, log):
    wish, found = server_form.read(STATUS, values, log)
    found |= faults(STATUS, wish, lambda app: objection(settings, app))
    assert set(found) <= set(server_form.FAULTS)
    assert all(told.endswith(".") for told in found.values())


@given(values=st.tuples(*[FIELDS] * 3))
def test_a_new_listener(settings, values):
    _, wish, found = server_form.read_new(*values, ["wsgi"])
    found |= new_faults(wish, lambda app: objection(settings, app))
    assert set(found) <= {"name", "app", "port"}


@given(value=FIELDS)
def test_a_parameter_of_an_address(value):
    assert len(query.first(value)) <= query.LONGEST_VALUE


@pytest.mark.parametrize(
    ("value", "text"),
    [("wsgi", "wsgi"), (["a", "b"], "a"), ([], ""), (5, ""), (None, ""), ("x" * 999, "x" * 200)],
)
def test_a_parameter_that_is_given_twice_is_the_first(value, text):
    assert query.first(value) == text


JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner))
)


@given(changes=st.dictionaries(st.sampled_from(sorted(ROW)), JSON))
def test_a_row_of_the_log_that_came_back(changes):
    row = json.loads(json.dumps(ROW | changes))
    if is_row(row):
        opened(row)


def test_a_row_of_the_log_as_it_was_sent_is_one():
    assert is_row(ROW)
