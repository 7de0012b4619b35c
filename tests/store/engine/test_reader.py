"""Knowledge of an engine is forgotten when something new is sent, also while it is asked."""

from typing import Any

import pytest

from servescope.errors import EngineAwayError
from servescope.store.base import SeriesKey
from servescope.store.engine.hosts import Fleet
from servescope.store.engine.names import FRAMES_HOUR
from servescope.store.engine.reader import EngineReader

METRIC = "system.cpu.utilization"


class Asked:
    """Answers as an engine does whose first series comes while it is being asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.series: list[dict[str, str]] = []
        self.hosts: list[dict[str, Any]] = []
        self.overtaken = 1  # the number of the question that something new overtakes
        self.meanwhile: Any = lambda: None
        self.is_away = False

    def ask(self, path: str, parameters: dict[str, str]) -> Any:
        if self.is_away:
            raise EngineAwayError("nobody answers")
        self.questions.append(parameters.get("query", path))
        is_of_rows = "by (instance)" not in parameters.get("query", "")
        found: Any = {"result": [] if is_of_rows else self.hosts}
        if path == "/api/v1/series":
            found = self.series
        if len(self.questions) == self.overtaken:
            self.meanwhile()
        return found

    @staticmethod
    def traits() -> Any:
        return type("Traits", (), {"metrics_ql": False})


def test_an_answer_from_before_something_new_is_not_kept():
    engine = Asked()
    reader = EngineReader(engine, Fleet(engine), None)

    def something_new() -> None:
        engine.series = [{"__name__": "x"}]
        reader.forget_series()

    engine.meanwhile = something_new
    assert reader.series(METRIC) == []
    assert reader.series(METRIC) == [SeriesKey(METRIC, ())], "asked anew"
    reader.series(METRIC)
    assert len(engine.questions) == 2, "and then known"


@pytest.mark.parametrize("overtaken", range(1, 6))
def test_hosts_from_before_something_new_are_asked_for_anew(overtaken: int):
    engine = Asked()
    engine.overtaken = overtaken
    fleet = Fleet(engine)

    def something_new() -> None:
        engine.hosts = [{"metric": {"instance": "a"}, "value": [0, "1000"]}]
        fleet.forget()

    engine.meanwhile = something_new
    fleet.hosts()
    assert len(engine.questions) >= overtaken
    engine.questions.clear()
    engine.overtaken = 0
    assert [host.name for host in fleet.hosts()] == ["a"]
    count = len(engine.questions)
    assert FRAMES_HOUR in engine.questions[0], "all is asked anew"
    fleet.hosts()
    assert len(engine.questions) == count, "and then known"


def test_an_engine_that_was_away_is_asked_at_once_when_it_is_back():
    engine = Asked()
    fleet = Fleet(engine)
    engine.is_away = True
    with pytest.raises(EngineAwayError):
        fleet.hosts()
    engine.is_away = False
    engine.hosts = [{"metric": {"instance": "a"}, "value": [0, "1000"]}]
    assert [host.name for host in fleet.hosts()] == ["a"]
