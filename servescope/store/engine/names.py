"""Names of our series in the engine, and the expressions that ask for them.

Every name begins with `servescope_`, and most with `servescope_frame`: these are seconds, not the
running totals that a scrape of `/metrics` brings under OpenTelemetry's names. A sample at `ts`
stands for `[ts, ts + 1)`; for `[ts, ts + tier)` where the name holds a tier, as in
`servescope_frame60_<metric>`.

- `servescope_frames`: the second itself, in every second that has a frame;
- `servescope_frames_hour`: the same, in the first frame of an hour only: quick to look through;
- `servescope_frame_<metric>`: a gauge's reading, or a counter's increase in the second;
- `servescope_frame_<metric>_count`, `_sum`, `_bucket`: a histogram's increases; the label
  `bucket` is the index in `servescope.histogram` of a bucket (not cumulative).

Of a tier, a second's figures are summed up, and besides:

- `servescope_frames<tier>`: how many seconds of the row have a frame;
- `servescope_frame<tier>_<gauge>_sum`, `_readings`, `_min`, `_max`: of a gauge's readings;
- `servescope_rows{tier, since}`: all rows of the tier from `since` up to this value were sent
  before this sample was. `servescope_rows_hour` is the same once an hour.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from servescope.catalog import BY_NAME
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.records.metrics import Labels

_FRAMES: Final = "servescope_frames"
FRAMES_HOUR: Final = "servescope_frames_hour"
INSTANCE: Final = "instance"
BUCKET: Final = "bucket"
ROWS: Final = "servescope_rows"
ROWS_HOUR: Final = "servescope_rows_hour"
TIER: Final = "tier"
SINCE: Final = "since"
_PREFIX: Final = "servescope_frame"
_OUTSIDE: Final = re.compile(r"[^a-zA-Z0-9_]")


def _of_tier(tier: int) -> str:
    return "" if tier == FINE else str(tier)


def frames_name(tier: int = FINE) -> str:
    """The name of the series of seconds that have a frame, or of their number in a row."""
    return _FRAMES + _of_tier(tier)


@cache
def engine_name(metric: str, tier: int = FINE) -> str:
    """The name of a metric's series, without the suffix of a part of it."""
    return f"{_PREFIX}{_of_tier(tier)}_{_OUTSIDE.sub('_', metric.removeprefix('servescope.'))}"


@cache
def engine_label(name: str) -> str:
    return _OUTSIDE.sub("_", name)


@cache
def own_labels(metric: str) -> dict[str, str]:
    """The engine's label name → ours, of a metric of the catalog."""
    known = BY_NAME.get(metric)
    return {engine_label(name): name for name in known.labels} if known else {}


def selector(
    name: str, where: Labels = (), instance: str | None = None, without: Labels = ()
) -> str:
    """A series selector; `instance` None selects all hosts."""
    matchers = [f"{engine_label(label)}={quoted(value)}" for label, value in where]
    matchers += [f"{engine_label(label)}!={quoted(value)}" for label, value in without]
    if instance is not None:
        matchers.append(f"{INSTANCE}={quoted(instance)}")
    return f"{name}{{{','.join(matchers)}}}"


def quoted(text: str) -> str:
    """A string literal: PromQL's escapes are Go's, which JSON's are among."""
    return json.dumps(text, ensure_ascii=False)


def by_clause(labels: Iterable[str]) -> str:
    """`by (a, b)` in the engine's label names."""
    return f"by ({', '.join(engine_label(label) for label in labels)})"


def over_time(
    function: str,
    selected: str,
    window_s: int,
    shift_s: int = 0,
    *,
    tier: int = FINE,
    distinct: bool = False,
) -> str:
    """`function`_over_time of the samples of a window, each row of `tier` seconds counted once.

    `distinct` asks for one sample a row: VictoriaMetrics without deduplication keeps what was sent
    twice. `shift_s` moves the window into the evaluation's future.
    """
    offset = f" offset -{shift_s}s" if shift_s else ""
    if window_s == tier:
        single = "present" if function == "count" else "last"
        return f"{single}_over_time({selected}[{window_s}s]{offset})"
    if distinct:
        return f"{function}_over_time(last_over_time({selected}[1s])[{window_s}s:{tier}s]{offset})"
    return f"{function}_over_time({selected}[{window_s}s]{offset})"
