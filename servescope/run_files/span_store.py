"""A metrics store that holds the seconds of one span, and answers as the one that recorded them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from servescope.store.base import Batch
from servescope.store.sqlite.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from servescope.run_files.archive import KnownSeries
    from servescope.store.base import Frame
    from servescope.store.sqlite.store import SqliteStore

_MOST_MIB: Final = 256
_AT_ONCE_S: Final = 60


def write_span_store(
    folder: Path, series: Sequence[KnownSeries], minutes: Iterable[list[Frame]]
) -> None:
    """Make a store in `folder` of these frames, whose series keep their order.

    Raises what a store raises: StoreFullError among it.
    """
    with closing(open_store(folder, _MOST_MIB)) as store:
        store.number_series(series)
        for frames in minutes:
            store.write(Batch(frames))


def minutes_of(store: SqliteStore, span: tuple[int, int]) -> Iterator[list[Frame]]:
    """The frames of a span, a minute at a time; minutes without any are left out."""
    for start in range(*span, _AT_ONCE_S):
        frames = store.frames(start, min(start + _AT_ONCE_S, span[1]))
        if frames:
            yield frames
