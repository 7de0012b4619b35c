"""The interface of samplers, and a round of them, taken and timed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from servescope.catalog import SAMPLE_DURATION
from servescope.records.metrics import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOG: Final = logging.getLogger(__name__)


class Sampler(Protocol):
    """Takes readings of one thing; called once a second, always from the same thread.

    Gauges are readings of now; a counter's sample is its increase since the call before, so the
    first call yields none. Labels are tuples of (name, value) sorted by name, as in the catalog.
    Raises OSError when the kernel gives no readings: this round of the sampler is then empty.
    """

    @property
    def name(self) -> str:
        """Label of the sampler's own cost."""

    def sample(self) -> Iterable[Sample]:
        """The readings of now."""


_failing: Final[WeakSet[Sampler]] = WeakSet()


def timed(samplers: Iterable[Sampler]) -> list[Sample]:
    """Run every sampler once; add what each cost, in seconds of this thread's CPU.

    A sampler that raises OSError loses only its own readings: logged when it begins, not at each
    round, and once more when it gives readings again.
    """
    samples: list[Sample] = []
    for sampler in samplers:
        start = time.thread_time()
        try:
            readings = list(sampler.sample())  # whole or not at all: it may fail half way
        except OSError as error:
            if sampler not in _failing:
                _failing.add(sampler)
                _LOG.warning("the %s sampler gives no readings: %s", sampler.name, error)
        else:
            samples += readings
            if sampler in _failing:
                _failing.discard(sampler)
                _LOG.info("the %s sampler gives readings again", sampler.name)
        cost = time.thread_time() - start
        samples.append(Sample(SAMPLE_DURATION, cost, (("sampler", sampler.name),)))
    return samples
