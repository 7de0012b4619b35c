from hypothesis import given
from hypothesis import strategies as st

from servescope.records.metrics import Sample
from servescope.sampling.counters import MAX_DEVICES, DeviceCounters, Increases

totals_growing = st.lists(st.integers(0, 2**64), min_size=1).map(sorted)


def increases_of(totals):
    counter = Increases()
    return [counter.since_last({"eth0": total}).get("eth0") for total in totals]


@given(totals_growing)
def test_increases_add_up_to_the_growth(totals):
    first, *rest = increases_of(totals)
    assert first is None
    assert sum(rest) == totals[-1] - totals[0]


@given(st.lists(st.integers(0, 2**64), min_size=2))
def test_increases_are_never_negative_nor_above_the_total(totals):
    for increase, total in zip(increases_of(totals)[1:], totals[1:], strict=True):
        assert 0 <= increase <= total


@given(totals_growing, totals_growing)
def test_a_counter_that_restarts_loses_only_what_it_counted_unseen(before, after):
    restarted = [total + before[-1] + 1 for total in before]  # above any total after the restart
    after = [min(total, before[-1]) for total in after]
    grown = restarted[-1] - restarted[0] + after[-1]
    assert sum(increases_of(restarted + after)[1:]) == grown


def test_a_device_that_was_away_begins_anew():
    counter = Increases()
    assert counter.since_last({"sda": 100, "sdb": 7}) == {}
    assert counter.since_last({"sda": 150}) == {"sda": 50}
    assert counter.since_last({"sda": 150, "sdb": 9}) == {"sda": 0}
    assert counter.since_last({"sda": 151, "sdb": 12}) == {"sda": 1, "sdb": 3}


def disk_counters():
    return DeviceCounters("io", "system.device", "disk.io.direction", ("read", "write"))


def test_samples_carry_sorted_labels_and_both_directions():
    counters = disk_counters()
    assert counters.samples({"vda": (10, 20)}) == []
    assert counters.samples({"vda": (15, 20)}) == [
        Sample("io", 5.0, (("disk.io.direction", "read"), ("system.device", "vda"))),
        Sample("io", 0.0, (("disk.io.direction", "write"), ("system.device", "vda"))),
    ]


def test_a_device_that_never_moved_a_byte_is_left_out_until_it_does():
    counters = disk_counters()
    counters.samples({"idle": (0, 0)})
    assert counters.samples({"idle": (0, 0)}) == []
    assert [sample.value for sample in counters.samples({"idle": (0, 8)})] == [0.0, 8.0]


def test_devices_beyond_the_bound_are_added_up_as_other():
    counters = disk_counters()
    names = [f"veth{number}" for number in range(MAX_DEVICES + 3)]
    counters.samples(dict.fromkeys(names, (1, 1)))
    samples = counters.samples(dict.fromkeys(names, (3, 6)))
    by_name = {dict(sample.labels)["system.device"] for sample in samples}
    assert by_name == {*names[:MAX_DEVICES], "other"}
    assert len(samples) == len({sample.labels for sample in samples})
    others = {
        dict(sample.labels)["disk.io.direction"]: sample.value
        for sample in samples
        if dict(sample.labels)["system.device"] == "other"
    }
    assert others == {"read": 6.0, "write": 15.0}
