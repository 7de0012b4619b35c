import logging

from servescope.catalog import SAMPLE_DURATION
from servescope.sampling.base import timed
from servescope.sampling.host import MemorySampler

MEMINFO = "MemTotal: 1000 kB\nMemFree: 500 kB\n"


def costs(samples):
    return {dict(s.labels)["sampler"]: s.value for s in samples if s.metric == SAMPLE_DURATION}


class HalfWay:
    name = "half way"

    def sample(self):
        yield from MemorySampler().sample()
        raise OSError("the device went away")


class Named(MemorySampler):
    name = "named"


def test_each_sampler_states_its_cost():
    samples = timed([MemorySampler(), Named()])
    assert costs(samples).keys() == {"memory", "named"}
    assert all(0 < cost < 1 for cost in costs(samples).values())


def test_a_failing_sampler_loses_only_its_own_readings(tmp_path):
    samples = timed([Named(tmp_path), HalfWay(), MemorySampler()])
    assert costs(samples).keys() == {"named", "half way", "memory"}
    assert [s for s in samples if s.metric != SAMPLE_DURATION] == [
        *(s for s in samples if s.metric.startswith("system."))
    ]
    assert sum(s.metric == "system.memory.utilization" for s in samples) == 1


def test_a_failure_is_logged_when_it_begins_and_when_it_ends(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="servescope.sampling.base")
    sampler = MemorySampler(tmp_path)
    for _ in range(3):
        timed([sampler])
    (tmp_path / "meminfo").write_text(MEMINFO)
    for _ in range(2):
        timed([sampler])
    (tmp_path / "meminfo").write_text("")
    timed([sampler])
    assert [(record.levelname, record.message.split(":")[0]) for record in caplog.records] == [
        ("WARNING", "the memory sampler gives no readings"),
        ("INFO", "the memory sampler gives readings again"),
        ("WARNING", "the memory sampler gives no readings"),
    ]
