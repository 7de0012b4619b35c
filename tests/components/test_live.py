import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.client import Visitor
from components.live import RENEW_S, Cursor, LiveGraph, LivePage, answer, sealed, shown_by
from servescope.errors import EngineRefusedError
from servescope.figures.lines import LinePlot
from servescope.queries import host, latency, traffic
from servescope.queries.snapshots import Snapshots
from servescope.queries.span import SHORTEST_LIVE_S, View
from servescope.records.dashboard import Event, EventKind
from tests.components.conftest import START, a_second

LIVE = View()
GRAPHS = (
    LiveGraph(
        "rates",
        "",
        "",
        lambda context, span, _: traffic.by_status(context, span),
        LinePlot(drop_idle=True),
    ),
    LiveGraph("cpu", "", "", lambda context, span, _: host.cpu(context, span), LinePlot()),
)
PAGE = LivePage("a-page", GRAPHS, filters=("a-page-listener",))


def cursor_of(given_answer):
    return {name: given_answer[name] for name in ("view", "shape", "cursor")}


def is_whole(given_answer):
    graphs = given_answer["graphs"]
    return graphs.keys() == {"rates", "cpu"} and all("figure" in one for one in graphs.values())


def test_before_the_first_frame_there_is_nothing_to_draw(context):
    first = answer(PAGE, context, LIVE, None)
    assert first["newest"] is None
    assert first["graphs"] == {}


def test_what_an_engine_refuses_is_told_and_the_page_stays(context, record):
    record(a_second(START))

    def refuse(*_):
        raise EngineRefusedError("the engine answered 422: too many samples")

    page = LivePage("a-page", (LiveGraph("rates", "", "", refuse, LinePlot()),))
    told = json.loads(sealed(page, context, LIVE, None)["text"])
    assert (told["newest"], told["graphs"]) == (None, {})
    assert "too many samples" in json.dumps(told["props"]["notices"])


def test_without_a_cursor_come_whole_figures(context, record):
    record(*(a_second(START + second) for second in range(20)))
    first = answer(PAGE, context, LIVE, None)
    assert is_whole(first)
    assert first["cursor"] == START + 20
    assert first["span"] == [START + 20 - SHORTEST_LIVE_S, START + 20]
    assert first["begins"] == START
    (trace,) = first["graphs"]["cpu"]["figure"]["data"]
    assert trace["y"][-20:] == [25.0] * 20
    assert trace["y"][-21] is None


def test_a_poll_brings_exactly_what_is_new(context, record):
    record(*(a_second(START + second) for second in range(20)))
    first = answer(PAGE, context, LIVE, None)
    record(a_second(START + 20, requests=7), a_second(START + 21, cpu=0.5))
    second = answer(PAGE, context, LIVE, cursor_of(first))
    assert second["graphs"]["rates"]["x"] == [(START + 20) * 1000, (START + 21) * 1000]
    assert second["graphs"]["rates"]["y"] == [[7.0, 10.0]]
    assert second["graphs"]["cpu"]["y"] == [[25.0, 50.0]]
    assert "legend" not in second["graphs"]["cpu"], "the lines are those of the figure"
    third = answer(PAGE, context, LIVE, cursor_of(second))
    assert third["graphs"] == {}
    assert cursor_of(third) == cursor_of(second)


def test_a_missing_second_arrives_as_a_gap(context, record):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    record(a_second(START + 2))
    assert answer(PAGE, context, LIVE, cursor_of(first))["graphs"]["cpu"]["y"] == [[None, 25.0]]


def test_a_new_line_brings_its_figure_anew_and_leaves_the_others(context, record):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    record(a_second(START + 1, status="500"))
    graphs = answer(PAGE, context, LIVE, cursor_of(first))["graphs"]
    assert [trace["name"] for trace in graphs["rates"]["figure"]["data"]] == ["200", "500"]
    assert graphs["cpu"]["y"] == [[25.0]]


@pytest.mark.parametrize(
    ("view", "filters"),
    [(View.read({"last": "1h"}), ()), (View(fixed=(START - 10, START)), ()), (LIVE, ("wsgi",))],
)
def test_another_view_or_filter_brings_whole_figures(context, record, view, filters):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    assert is_whole(answer(PAGE, context, view, cursor_of(first), filters))


def test_a_fixed_view_is_drawn_once(context, record):
    record(*(a_second(START + second) for second in range(20)))
    view = View(fixed=(START + 5, START + 15))
    first = answer(PAGE, context, view, None)
    assert is_whole(first)
    assert len(first["graphs"]["cpu"]["figure"]["data"][0]["x"]) == 10
    record(a_second(START + 20))
    assert answer(PAGE, context, view, cursor_of(first))["graphs"] == {}


def test_a_tab_that_slept_longer_than_the_span_gets_whole_figures(context, record):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    record(a_second(START + 10_000))
    assert is_whole(answer(PAGE, context, LIVE, cursor_of(first)))


def test_figures_are_renewed_now_and_then(context, record):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    record(*(a_second(START + second) for second in range(1, RENEW_S)))
    assert is_whole(answer(PAGE, context, LIVE, cursor_of(first)))


def test_coarse_steps_arrive_when_they_are_complete(context, record):
    view = View.read({"last": "24h"})
    record(a_second(START - 86_400))
    step = view.span(START).step
    record(*(a_second(START + second) for second in range(step)))
    first = answer(PAGE, context, view, None)
    assert first["cursor"] == START + step
    record(*(a_second(START + step + second) for second in range(step - 1)))
    assert answer(PAGE, context, view, cursor_of(first))["graphs"] == {}


def test_a_long_step_is_shown_while_it_is_open_and_drawn_anew_each_minute(context, record):
    view = View.read({"last": "2y"})
    record(a_second(START - 729 * 86_400))
    record(*(a_second(START + second) for second in range(3)))
    first = answer(PAGE, context, view, None)
    assert is_whole(first)
    assert first["span"][0] < START < first["span"][1]
    assert first["span"][1] - START <= first["step"] == 86_400
    ((trace, *_),) = [entry["figure"]["data"] for entry in first["graphs"].values()][:1]
    assert [y for y in trace["y"] if y is not None]
    record(a_second(START + 3))
    assert answer(PAGE, context, view, cursor_of(first))["graphs"] == {}
    record(a_second(START + 60))
    assert is_whole(answer(PAGE, context, view, cursor_of(first)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["view", "shape", "cursor"]), inner, max_size=3)
        ),
        max_leaves=5,
    )
)
def test_whatever_a_client_sends_as_cursor_it_gets_whole_figures(context, record, stored):
    record(a_second(START))
    assert Cursor.read(stored) == Cursor()
    assert is_whole(answer(PAGE, context, LIVE, stored))


def test_a_made_up_shape_brings_the_whole_figure(context, record):
    record(a_second(START))
    first = answer(PAGE, context, LIVE, None)
    shape = json.loads(first["shape"])
    shape["graphs"]["cpu"] = {"names": 7}
    record(a_second(START + 1))
    forged = cursor_of(first) | {"shape": json.dumps(shape)}
    assert "figure" in answer(PAGE, context, LIVE, forged)["graphs"]["cpu"]


def test_chained_deltas_are_the_whole_figure(context, record):
    record(a_second(START))
    state = answer(PAGE, context, LIVE, None)
    y = list(state["graphs"]["cpu"]["figure"]["data"][0]["y"])
    for second in range(1, 50, 3):
        record(a_second(START + second, cpu=second / 100))
        state = answer(PAGE, context, LIVE, cursor_of(state))
        y += state["graphs"]["cpu"]["y"][0]
    whole = answer(PAGE, context, LIVE, None)["graphs"]["cpu"]["figure"]["data"][0]["y"]
    assert y[-len(whole) :] == whole


@pytest.mark.parametrize("rate", [3, 30, 300])
def test_chained_deltas_of_percentiles_are_the_whole_figure_whatever_their_step(
    context, record, rate
):
    def ask(context, span, _, step=0):
        return latency.percentiles(context, span, ("p50",), step=step)

    page = LivePage("a-page", (LiveGraph("p", "", "", ask, LinePlot(log=True), kept=("step",)),))
    record(a_second(START - 300, requests=0))  # so that the span has all of its five minutes
    record(*(a_second(START + second, requests=rate) for second in range(60)))
    state = answer(page, context, LIVE, None)
    figure = state["graphs"]["p"]["figure"]
    (trace,) = figure["data"]
    step = figure["layout"]["meta"]["step"]
    assert step == {3: 10, 30: 5, 300: 1}[rate]
    x, y, requests = trace["x"], trace["y"], trace["meta"]["requests"]
    for second in range(60, 110, 3):
        record(*(a_second(START + second + more, requests=rate) for more in range(3)))
        state = answer(page, context, LIVE, cursor_of(state))
        added = state["graphs"].get("p", {"x": [], "y": [[]], "requests": [[]]})
        x, y = x + added["x"], y + added["y"][0]
        requests = requests + added["requests"][0]
    (whole,) = answer(page, context, LIVE, None)["graphs"]["p"]["figure"]["data"]
    kept = len(whole["x"]) - 1  # the first step of the whole one may begin with the span
    assert x[-kept:] == whole["x"][-kept:]
    assert y[-kept:] == whole["y"][-kept:]
    assert requests[-kept:] == whole["meta"]["requests"][-kept:]
    assert max(requests) == rate * step


@pytest.mark.parametrize("step", [7, -1, 10**9, "1", [1]])
def test_a_made_up_step_brings_the_whole_figure(context, record, step):
    def ask(context, span, _, step=0):
        return latency.percentiles(context, span, step=step)

    page = LivePage("a-page", (LiveGraph("p", "", "", ask, LinePlot(log=True), kept=("step",)),))
    record(a_second(START))
    first = answer(page, context, LIVE, None)
    shape = json.loads(first["shape"])
    shape["graphs"]["p"]["step"] = step
    record(a_second(START + 1))
    forged = cursor_of(first) | {"shape": json.dumps(shape)}
    assert "figure" in answer(page, context, LIVE, forged)["graphs"]["p"]


def test_viewers_at_one_cursor_cost_one_answer(context, record):
    record(a_second(START))
    asked = []
    graph = LiveGraph(
        "cpu",
        "",
        "",
        lambda context, span, _: asked.append(span) or host.cpu(context, span),
        LinePlot(),
    )
    page = LivePage("counted", (graph,))
    now = 1.0  # by a clock that stands: no answer expires between two viewers
    context = replace(context, snapshots=Snapshots(context.store.version, clock=lambda: now))
    texts = {sealed(page, context, LIVE, None)["text"] for _ in range(50)}
    assert len(texts) == len(asked) == 1
    record(a_second(START + 1))
    now += 1.0
    sealed(page, context, LIVE, None)
    assert len(asked) == 2


@pytest.mark.usefixtures("app")  # whose prefix the addresses of events are below
def test_events_of_the_span_come_with_every_answer(context, record):
    record(a_second(START))
    context.process.control.events.add(Event(EventKind.LOAD_RUN, START - 5, "run 1: 5/s"))
    assert answer(PAGE, context, LIVE, None)["events"] == [
        [EventKind.LOAD_RUN, START - 5, None, "run 1: 5/s", "/runs/1"]
    ]


def test_large_properties_come_again_only_when_they_changed(context, record):
    text = ["a" * 400]
    props = {"large": {"children": text[0]}, "small": {"children": "1"}}
    page = LivePage("propped", GRAPHS, lambda *_: {**props, "large": {"children": text[0]}})
    record(a_second(START))
    first = answer(page, context, LIVE, None)
    assert {"large", "small"} <= first["props"].keys()
    second = answer(page, context, LIVE, cursor_of(first))
    assert "large" not in second["props"]
    assert "small" in second["props"]
    text[0] = "b" * 400
    record(a_second(START + 1))
    assert answer(page, context, LIVE, cursor_of(second))["props"]["large"]["children"] == text[0]


def test_a_filter_of_tables_brings_tables_anew_and_no_figure(context, record):
    asked = []

    def props(_context, _span, chosen):
        asked.append(chosen)
        return {"table": {"children": " ".join(chosen) * 400}}

    page = LivePage("a-page", GRAPHS, props, ("a-page-listener",), ("a-page-text",))
    record(a_second(START))
    first = answer(page, context, LIVE, None, ("wsgi", ""))
    second = answer(page, context, LIVE, cursor_of(first), ("wsgi", "api"))
    assert second["graphs"] == {}
    assert second["props"]["table"]["children"].startswith("wsgi api")
    assert asked == [("wsgi", ""), ("wsgi", "api")]


def test_an_answer_is_kept_for_each_place_of_a_person_and_for_what_they_may_do(
    context, record, monkeypatch
):
    record(a_second(START))
    seen = []
    here, elsewhere = Visitor(is_local=True), Visitor(is_local=False, host="box.example.org")
    place, reason = here, ""
    monkeypatch.setattr("components.live.access.visitor", lambda: place)
    monkeypatch.setattr("components.live.access.why_not", lambda: reason)

    def props(*_):
        seen.append((place, reason))
        return {"links": {"children": place.host or "here", "title": reason}}

    page = LivePage("a-page", (), props, by_person=True)

    def told():
        answered = json.loads(sealed(page, context, LIVE, None)["text"])
        return answered["props"]["links"]

    assert [told(), told()] == [{"children": "here", "title": ""}] * 2
    place = elsewhere
    assert [told(), told()] == [{"children": "box.example.org", "title": ""}] * 2
    reason = "sign in first"
    assert [told(), told()] == [{"children": "box.example.org", "title": "sign in first"}] * 2
    assert seen == [(here, ""), (elsewhere, ""), (elsewhere, "sign in first")]


def test_a_page_about_one_thing_gets_its_subject_before_the_filters(context, record):
    record(a_second(START))
    asked = []

    def ask(context, span, chosen):
        asked.append(chosen)
        return traffic.by_listener(context, span, chosen[1])

    graph = LiveGraph("of-it", "Of it", "", ask, LinePlot())
    page = LivePage(
        "it",
        (graph,),
        lambda _context, _span, chosen: {"it-title": {"children": f"{chosen}"}},
        filters=("it-listener",),
        table_filters=("it-text",),
        subject="it-subject",
    )
    assert page.narrowed_by == ("it-subject", "it-listener")
    told = answer(page, context, View(fixed=(START, START + 5)), None, ("12", "wsgi", "words"))
    assert asked == [("12", "wsgi")]
    assert told["props"]["it-title"]["children"] == "('12', 'wsgi', 'words')"
    assert told["counted"] == 10, "the requests of the chosen listener"
    assert answer(page, context, LIVE, None, ("12", "asgi", ""))["counted"] is None


def test_a_page_with_a_span_of_its_own_shows_it_in_place_of_the_time_bar_s(context):
    process = context.process
    page = LivePage(
        "it",
        (),
        subject="it-subject",
        view=lambda _context, _shown, chosen: View(fixed=(START, START + int(chosen[0]))),
    )
    assert shown_by(page, process, View(host="another"), ("5",)) == (
        context,
        View(fixed=(START, START + 5)),
    )
    assert shown_by(PAGE, process, LIVE, ("",)) == (context, LIVE)
