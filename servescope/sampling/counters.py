"""From the kernel's ever-growing totals to increases, across resets and devices that come and go.

The kernel's counters start at zero when the host starts or a device appears; a total below the one
before means that it began anew, so all of it is increase (the rule of Prometheus' `increase`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from servescope.records.metrics import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.records.metrics import Labels

MAX_DEVICES: Final = 32
"""Names one sampler reports in its life; later ones (a container host makes thousands of network
interfaces a day) are added up under `other`, so that the number of series stays bounded."""

OTHER_DEVICE: Final = "other"

Key = TypeVar("Key")


class Increases(Generic[Key]):
    """Remembers the last totals by key."""

    def __init__(self) -> None:
        self._last: Mapping[Key, int] = {}

    def since_last(self, totals: Mapping[Key, int]) -> dict[Key, int]:
        """The growth of each total since the call before; never negative.

        A key that the call before did not have is left out: nothing is known of its growth.
        """
        last = self._last
        self._last = dict(totals)
        return {
            key: total - last[key] if total >= last[key] else total
            for key, total in totals.items()
            if key in last
        }


class DeviceCounters:
    """Turns the totals of devices, one for each direction, into samples of one counter metric."""

    def __init__(
        self, metric: str, device_label: str, direction_label: str, directions: tuple[str, str]
    ) -> None:
        self._metric = metric
        self._device_label = device_label
        self._direction_label = direction_label
        self._directions = directions
        self._increases: Increases[tuple[str, str]] = Increases()
        self._reported: set[str] = set()

    def samples(self, totals: Mapping[str, tuple[int, int]]) -> list[Sample]:
        """Increases since the call before, of devices that ever moved a byte.

        `totals` holds for each device its totals in the order of `directions`.
        """
        grown = self._increases.since_last(
            {
                (device, direction): total
                for device, both in totals.items()
                for direction, total in zip(self._directions, both, strict=True)
            }
        )
        sums: dict[Labels, int] = {}
        for (device, direction), increase in grown.items():
            if any(totals[device]):
                labels = self._labels(device, direction)
                sums[labels] = sums.get(labels, 0) + increase
        return [Sample(self._metric, float(total), labels) for labels, total in sums.items()]

    def _labels(self, device: str, direction: str) -> Labels:
        if device not in self._reported:
            if len(self._reported) >= MAX_DEVICES:
                device = OTHER_DEVICE
            else:
                self._reported.add(device)
        return tuple(sorted([(self._device_label, device), (self._direction_label, direction)]))
