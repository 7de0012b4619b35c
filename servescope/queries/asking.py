"""The few shapes in which questions ask the store, so that each question is one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.queries.rows import Lines
from servescope.store.base import Aggregation, Matching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records import Labels
    from servescope.store.base import RangeResult

HIGHEST: Final = "highest"
LOWEST: Final = "lowest"


def ask(
    context: QueryContext,
    span: Span,
    metric: str,
    agg: Aggregation,
    by: Sequence[str] = (),
    where: Labels = (),
) -> RangeResult:
    """One metric over the span."""
    return context.store.range(Matching(metric, where), span.start, span.end, span.step, agg, by)


def lines_by(
    context: QueryContext,
    span: Span,
    metric: str,
    agg: Aggregation,
    label: str,
    unit: str,
    where: Labels = (),
) -> Lines:
    """A line for each value of one label, named by it."""
    found = ask(context, span, metric, agg, (label,), where)
    names = tuple(group[0] for group in found.groups)
    return Lines(found.times, names, found.values, unit, found.actual_step)


def lines_of(
    context: QueryContext,
    span: Span,
    wanted: Mapping[str, tuple[str, Labels]],
    agg: Aggregation,
    unit: str,
) -> Lines:
    """A line for each name: a metric and the labels it must bear, all series of it together."""
    rows = []
    for metric, where in wanted.values():
        found = ask(context, span, metric, agg, (), where)
        rows.append(found.values[0] if len(found.values) else np.full(found.times.size, np.nan))
    return Lines(found.times, tuple(wanted), np.array(rows), unit, found.actual_step)


def with_extremes(
    context: QueryContext, span: Span, name: str, metric: str, where: Labels, unit: str
) -> Lines:
    """A gauge's mean in each step and, where a step is longer than a second, its extremes.

    What is drawn keeps every spike, however many seconds a pixel spans.
    """
    wanted = {name: (metric, where)}
    parts = [lines_of(context, span, wanted, Aggregation.AVG, unit)]
    if span.step > 1:
        parts += [
            lines_of(context, span, {which: (metric, where)}, agg, unit)
            for which, agg in ((HIGHEST, Aggregation.MAX), (LOWEST, Aggregation.MIN))
        ]
    return joined(parts)


def with_highest(span: Span, ask_for: Callable[[Aggregation], Lines]) -> Lines:
    """Gauges' means in each step and, where a step is longer than a second, their highest values.

    For several lines in one graph: a lowest of each as well would hide more than it tells.
    """
    means = ask_for(Aggregation.AVG)
    if span.step <= 1:
        return means
    return joined([means, renamed(ask_for(Aggregation.MAX), f"{{}} {HIGHEST}")])


def joined(parts: Sequence[Lines]) -> Lines:
    """Lines of the same span and unit as one."""
    first = parts[0]
    return Lines(
        first.times,
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.values.reshape(-1, first.times.size) for part in parts]),
        first.unit,
        first.step,
    )


def selected(lines: Lines, wanted: Sequence[bool]) -> Lines:
    """The lines that are wanted, of those there are."""
    names = tuple(name for name, is_wanted in zip(lines.names, wanted, strict=True) if is_wanted)
    chosen = lines.values[np.array(wanted, dtype=bool)]
    return Lines(lines.times, names, chosen, lines.unit, lines.step)


def renamed(lines: Lines, form: str) -> Lines:
    """The same lines with each name put into `form`, e.g. `"{} received"`."""
    names = tuple(form.format(name) for name in lines.names)
    return Lines(lines.times, names, lines.values, lines.unit, lines.step)
