"""Statuses of two listeners that run: one with a pool of threads, one with an event loop."""

from dataclasses import replace

from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
    ListenerStatus,
)

POOL = ListenerStatus(
    "pool",
    ListenerState.RUNNING,
    "127.0.0.1",
    8000,
    ConcurrencyModel.THREAD_POOL,
    "a:app",
    8000,
    app_kind=AppKind.WSGI,
    options=ListenerOptions(threads=8, workers=2),
)
LOOP = replace(POOL, name="loop", port=8001, model=ConcurrencyModel.ASYNCIO, app_kind=AppKind.ASGI)
