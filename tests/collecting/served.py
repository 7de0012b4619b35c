"""Requests recorded in chosen seconds, and what the store then knows of them."""

from servescope import catalog
from servescope.recording.record_layout import OTHER_ROUTE
from servescope.request_fields import Method
from servescope.store.query import Aggregation, Query

BASE = 1_700_000_000
SECOND = 1_000_000_000
STAGES_NS = (1e5, 2e5, 3e5, 4e6, 5e5, 6e5)


def serve(recorder, second, number=1, *, listener="files", route="/", status=200, flags=0, **more):
    listener_id = recorder.listener_id(listener)
    route_id = OTHER_ROUTE if route is None else recorder.route_id(listener_id, route)
    for index in range(number):
        recorder.record(
            int((BASE + second) * SECOND) + index,
            listener_id,
            route_id,
            more.get("method", Method.GET),
            2,
            status,
            flags,
            100,
            more.get("sent", 1_000),
            *more.get("stages", STAGES_NS),
        )


def seconds(store, metric=catalog.REQUEST_DURATION, start=0, end=8, where=()):
    found = store.aggregate(
        Query(metric, BASE + start, BASE + end, 1, where=where), Aggregation.SUM
    )
    return found.values[0].tolist() if found.groups else []


def total(store, metric=catalog.REQUEST_DURATION, by=(), where=()):
    found = store.total(Query(metric, 0, BASE * 2, by=by, where=where))
    return dict(zip(found.groups, found.count.tolist(), strict=True))
