"""All hosts that send to the same engine, each with its signals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.errors import EngineAwayError, EngineRefusedError
from servescope.histogram import supported_quantiles
from servescope.queries.request_words import is_unanswered, is_unread
from servescope.queries.rows import HostRow
from servescope.queries.span import moment
from servescope.queries.traffic import METHOD, ROUTE, STATUS
from servescope.records.metrics import ALL_HOSTS
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.metrics import Labels
    from servescope.store.base import FleetStore, HostSeen, Store
    from servescope.store.query import Query

WINDOW_S: Final = 10
"""Seconds a host's figures cover: frames of different hosts arrive a second or two apart."""

_HOST: Final = "instance"


def table(context: QueryContext, shown: Span | None = None) -> list[HostRow]:
    """A row for each host by name, of the last seconds or a fixed span; empty where it is one."""
    fleet, hosts = context.process.fleet, context.process.hosts()
    if fleet is None or len(hosts) <= 1:
        return []
    everyone = context.process.of_host(ALL_HOSTS)
    try:
        span = moment(shown, max(host.newest_s for host in hosts), WINDOW_S)
        return everyone.snapshots.get(
            ("fleet", span), lambda: _table(fleet, everyone.store, hosts, span)
        )
    except (EngineAwayError, EngineRefusedError):
        return [HostRow(host.name, host.name == fleet.instance, host.newest_s) for host in hosts]


def _table(fleet: FleetStore, everyone: Store, hosts: list[HostSeen], span: Span) -> list[HostRow]:
    seconds = fleet.seconds_by_host(span.start, span.end)
    total = everyone.total(span.query(catalog.REQUEST_DURATION, by=(_HOST, METHOD, ROUTE, STATUS)))
    all_cores: Labels = (("cpu.logical_number", "all"),)
    cpu = _means(everyone, span.query(catalog.CPU_UTILIZATION, by=(_HOST,), where=all_cores))
    memory = _means(everyone, span.query(catalog.MEMORY_UTILIZATION, by=(_HOST,)))
    rows = []
    for host in hosts:
        is_home = host.name == fleet.instance
        covered = seconds.get(host.name, 0)
        if not covered:
            rows.append(HostRow(host.name, is_home, host.newest_s))
            continue
        its = [index for index, group in enumerate(total.groups) if group[0] == host.name]
        answers = sum(
            float(total.count[index]) for index in its if not is_unanswered(total.groups[index][3])
        )
        failed = sum(
            float(total.count[index]) for index in its if total.groups[index][3].startswith("5")
        )
        read = [index for index in its if not is_unread(*total.groups[index][1:3])]
        (p95,) = supported_quantiles(total.buckets[read].sum(axis=0), (0.95,)).tolist()
        rows.append(
            HostRow(
                host=host.name,
                is_home=is_home,
                newest_s=host.newest_s,
                answers_per_s=answers / covered,
                error_ratio=failed / answers if answers else None,
                p95_s=None if math.isnan(p95) else p95,
                cpu_utilization=cpu.get(host.name),
                memory_utilization=memory.get(host.name),
            )
        )
    return rows


def _means(store: Store, query: Query) -> dict[str, float]:
    """Mean of a gauge over the span, of each host that has it."""
    found = store.aggregate(query, Aggregation.AVG)
    return {
        group[0]: float(np.nanmean(row))
        for group, row in zip(found.groups, found.values, strict=True)
        if not np.isnan(row).all()
    }
