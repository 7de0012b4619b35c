"""The few seconds of arrivals in the chapter about queues are those of the long run."""

from __future__ import annotations

import pytest

from servescope.chapters.queues_and_load import CHAPTER, COUNTED_S, LEVELS, SERVICE_MS
from servescope.scenarios.arrivals import arrivals_ns, flow_choices
from servescope.statistics.queues import mean_seconds_in_system, seconds_in_system

S_PER_NS = 1e-9
WITHIN = 0.1


def test_the_curve_is_that_of_endless_random_arrivals():
    expected = CHAPTER.setting("curve").expected
    for (level, _), mean_ms in zip(LEVELS, expected, strict=True):
        long_run_ms = 1e3 * mean_seconds_in_system(level / 100, SERVICE_MS / 1e3)
        assert mean_ms == pytest.approx(long_run_ms, WITHIN), level
    assert list(expected) == sorted(expected)


def test_the_theory_of_each_point_is_that_of_the_arrivals_that_are_sent():
    setting = CHAPTER.setting("curve")
    scenario = setting.experiment.scenario
    due_s = [due * S_PER_NS for due in arrivals_ns(scenario)]
    stays_s = seconds_in_system(due_s, [SERVICE_MS / 1e3] * len(due_s))
    places = flow_choices(scenario, len(due_s))
    for place, (level, counts) in enumerate(LEVELS):
        found = [stay for at, stay in zip(places, stays_s, strict=True) if at == place]
        assert len(found) == sum(counts)
        assert sum(counts) / len(counts) * SERVICE_MS / 10 == level
        assert 1e3 * sum(found) / len(found) == pytest.approx(setting.expected[place])
    assert scenario.flows[0].steps[0].name == "10 %"
    assert scenario.schedule.seconds < 20


def test_the_number_that_is_there_is_the_rate_times_60_ms():
    setting = CHAPTER.setting("count")
    assert setting.experiment.scenario.schedule.seconds == COUNTED_S
    assert setting.expected == pytest.approx(40 * 0.06, 0.005)


def test_of_the_stall_one_user_sees_a_single_request():
    by_clock, one_user = (CHAPTER.setting(name) for name in ("stall", "stall-one-user"))
    assert by_clock.expected == pytest.approx(960)
    assert one_user.expected == SERVICE_MS
    assert [point.expected for point in by_clock.points] == pytest.approx([20, 118, 960, 1000])
