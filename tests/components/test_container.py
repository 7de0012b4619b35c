import pytest

from components.container import limits_sentence
from servescope.queries.rows import ContainerLimit

MEMORY = ContainerLimit(512 * 2**20, "memory.max", "/docker/a", 0.5, 24 * 2**30)
CPU = ContainerLimit(0.5, "cpu.max", "/", 0.1, 2.0)
BY_MEMORY = "512 MiB of 24 GiB by memory.max of the cgroup /docker/a"
BY_CPU = "0.5 of 2 CPUs by cpu.max of the cgroup /"


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ((None, None), ""),
        ((MEMORY, None), f"Limited to {BY_MEMORY}."),
        ((None, CPU), f"Limited to {BY_CPU}."),
        ((MEMORY, CPU), f"Limited to {BY_MEMORY}, and to {BY_CPU}."),
    ],
)
def test_the_sentence_names_each_limit_and_what_sets_it(limits, told):
    assert limits_sentence(*limits) == told
