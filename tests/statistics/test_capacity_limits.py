"""One case for each limit, and for evidence that shows none."""

from __future__ import annotations

import pytest

from servescope.statistics.capacity_limits import EdgeEvidence, Limit, limit_of


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(EdgeEvidence(), Limit.UNKNOWN, id="nothing-read"),
        pytest.param(
            EdgeEvidence(generator_late=True, process_cores=1.0), Limit.GENERATOR, id="late"
        ),
        pytest.param(
            EdgeEvidence(generator_cpu=0.95, threads=4, busy_threads=4),
            Limit.GENERATOR,
            id="full-generator",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.99, threads=8, busy_threads=8),
            Limit.GIL,
            id="eight-computing-threads",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.99, threads=1, busy_threads=1),
            Limit.CORE,
            id="one-computing-thread",
        ),
        pytest.param(EdgeEvidence(process_cores=0.99), Limit.CORE, id="event-loop"),
        pytest.param(
            EdgeEvidence(process_cores=0.95, processes=3, threads=3, busy_threads=3),
            Limit.CORE,
            id="prefork",
        ),
        pytest.param(
            EdgeEvidence(
                process_cores=0.92, processes=2, all_cores=1.84, threads=16, busy_threads=15
            ),
            Limit.CORES,
            id="prefork-each-worker-full",
        ),
        pytest.param(
            EdgeEvidence(
                process_cores=0.97, processes=2, all_cores=1.3, threads=16, busy_threads=15
            ),
            Limit.CORE,
            id="prefork-one-worker-full",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.5, machine_busy=0.97, threads=4, busy_threads=4),
            Limit.MACHINE,
            id="machine",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.08, machine_busy=1.0, app_share=1.0, in_app=1.0),
            Limit.MACHINE,
            id="starved-among-many-programs",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.3, machine_busy=0.7, is_disturbed=True, threads=1),
            Limit.OTHERS,
            id="others-on-its-core",
        ),
        pytest.param(
            EdgeEvidence(
                process_cores=0.015,
                machine_busy=1.0,
                is_disturbed=True,
                threads=1,
                busy_threads=1.0,
            ),
            Limit.THREADS,
            id="waits-on-a-full-machine",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.1, threads=4, busy_threads=4),
            Limit.THREADS,
            id="waiting-threads",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.8, threads=4, busy_threads=4),
            Limit.UNKNOWN,
            id="threads-or-core",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.1, threads=8, busy_threads=2, accept_queue=1.0),
            Limit.ACCEPT_QUEUE,
            id="accept-queue",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.1, app_share=0.95, in_app=12), Limit.APP_WAIT, id="app"
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.1, app_share=0.98, in_app=1.0, accept_queue=1.01),
            Limit.APP_WAIT,
            id="app-holds-up-the-event-loop",
        ),
        pytest.param(
            EdgeEvidence(process_cores=0.1, app_share=0.95, in_app=0.2),
            Limit.UNKNOWN,
            id="app-mostly-idle",
        ),
        pytest.param(EdgeEvidence(process_cores=0.1, app_share=0.2), Limit.UNKNOWN, id="elsewhere"),
    ],
)
def test_limit(evidence: EdgeEvidence, expected: Limit) -> None:
    assert limit_of(evidence) is expected
