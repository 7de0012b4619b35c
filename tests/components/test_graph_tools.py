import json

from components.graph_tools import event_filter, graph_tools
from components.live import LiveGraph
from servescope.figures.lines import LinePlot
from servescope.records.dashboard import EventKind


def test_a_toolbar_names_its_graph():
    bar = graph_tools(LiveGraph("a-graph", "Time to answer", "", print, LinePlot()))
    described = bar.to_plotly_json()["props"]
    assert (described["role"], described["data-graph"]) == ("toolbar", "a-graph")
    assert described["aria-label"] == "Tools of Time to answer"


def test_every_kind_of_event_can_be_chosen_by_a_name_of_its_own():
    _, menu = event_filter().children
    kinds = json.loads(menu.children[0].to_plotly_json()["props"]["data-kinds"])
    assert [kind for kind, _ in kinds] == [kind.value for kind in EventKind]
    labels = [label for _, label in kinds]
    assert all(labels)
    assert len(set(labels)) == len(labels)
