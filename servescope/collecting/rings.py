"""The rings of all writers, found in their folder and followed until their writers are gone."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from servescope.errors import RingError
from servescope.recording.detail_reader import DetailReader
from servescope.recording.recorder import DETAIL_SUFFIX, RING_SUFFIX, SAMPLES_SUFFIX
from servescope.recording.ring_file import DRAFT_SUFFIX
from servescope.recording.ring_reader import RingReader
from servescope.recording.samples import SampleReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_DRAFT_SECONDS: Final = 60

logger = logging.getLogger(__name__)


class _Reader(Protocol):
    """The readers of `servescope.recording` have this in common."""

    def writer_is_gone(self) -> bool: ...

    def close(self) -> None: ...


Reader = TypeVar("Reader", bound=_Reader)
T = TypeVar("T")


@dataclass(slots=True)
class FollowedRing(Generic[Reader]):
    """A ring file and how far it was read."""

    reader: Reader
    cursor: int
    is_over: bool = False  # the writer is gone and nothing is left

    def drain(
        self,
        take: Callable[[Reader, int], T],
        is_rest_held_back: Callable[[T], bool] = lambda _: False,
    ) -> T:
        """Call `take(reader, cursor)`; the cursor stays until `RingFolder.commit`.

        `is_rest_held_back(taken)`: whether the ring holds more, which a later call takes.
        """
        gone = self.reader.writer_is_gone()  # asked first: nothing is written after that
        taken = take(self.reader, self.cursor)
        self.is_over = gone and not is_rest_held_back(taken)
        return taken


class RingFolder:
    """Finds rings in `folder`; `cursors` are those the store committed last.

    A ring whose writer is gone is deleted once all of it is committed; its cursor goes with the
    next commit. A kill between any two of these steps leaves a state from which the next collector
    goes on: a drained ring with its cursor, or a cursor without a ring.
    """

    def __init__(self, folder: Path, cursors: Mapping[str, int]) -> None:
        self._folder = folder
        self._committed = dict(cursors)
        self.records: dict[str, FollowedRing[RingReader]] = {}
        self.request_details: dict[str, FollowedRing[DetailReader]] = {}
        self.samples: dict[str, FollowedRing[SampleReader]] = {}
        self.problems: dict[str, str] = {}

    def discover(self) -> None:
        """Open what is new in the folder."""
        try:
            names = {path.name for path in self._folder.iterdir()}
        except FileNotFoundError:
            return
        for name in names:
            if name.endswith(DRAFT_SUFFIX):
                self._sweep(self._folder / name)
        for name in sorted(names - self._followed().keys()):
            try:
                self._follow(name)
            except RingError as error:
                if name not in self.problems:
                    logger.warning("a file in the rings' folder is passed over: %s", error)
                self.problems[name] = str(error)

    def _follow(self, name: str) -> None:
        path, cursor = self._folder / name, self._committed.get(name, 0)
        if name.endswith(RING_SUFFIX):
            self.records[name] = FollowedRing(RingReader(path), cursor)
        elif name.endswith(DETAIL_SUFFIX):
            self.request_details[name] = FollowedRing(DetailReader(path), cursor)
        elif name.endswith(SAMPLES_SUFFIX):
            self.samples[name] = FollowedRing(SampleReader(path), cursor)

    def _followed(
        self,
    ) -> dict[
        str, FollowedRing[RingReader] | FollowedRing[DetailReader] | FollowedRing[SampleReader]
    ]:
        return {**self.records, **self.request_details, **self.samples}

    def _sweep(self, draft: Path) -> None:
        """Delete the draft of a writer that was killed while it made its ring: a matter of ms."""
        with suppress(FileNotFoundError):  # finished meanwhile
            if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                draft.unlink()

    def stale_cursors(self) -> list[str]:
        """Committed cursors whose rings are no more."""
        return sorted(self._committed.keys() - self._followed().keys())

    def any_over(self) -> bool:
        """Whether a ring has only its deletion to come."""
        return any(one.is_over for one in self._followed().values())

    def commit(self, cursors: Mapping[str, int], dropped: list[str]) -> None:
        """The store has committed these: move on, and delete rings that are over."""
        self._committed.update(cursors)
        for name in dropped:
            self._committed.pop(name, None)
        for name, one in self._followed().items():
            one.cursor = cursors.get(name, one.cursor)
            if one.is_over:
                for kind in (self.records, self.request_details, self.samples):
                    kind.pop(name, None)
                (self._folder / name).unlink(missing_ok=True)
                one.reader.close()

    def close(self) -> None:
        """Unmap all rings."""
        for one in self._followed().values():
            one.reader.close()
        for kind in (self.records, self.request_details, self.samples):
            kind.clear()
