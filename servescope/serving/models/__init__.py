"""Concurrency models, one file each; `REGISTRY` names them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from servescope.records.listeners import ConcurrencyModel

if TYPE_CHECKING:
    from servescope.serving.model import Model

REGISTRY: Final[dict[ConcurrencyModel, str]] = {
    ConcurrencyModel.SEQUENTIAL: "servescope.serving.models.sequential:Sequential",
    ConcurrencyModel.THREAD_POOL: "servescope.serving.models.thread_pool.pool:ThreadPool",
    ConcurrencyModel.PREFORK: "servescope.serving.models.prefork:Prefork",
    ConcurrencyModel.ASYNCIO: "servescope.serving.models.asyncio.loop:AsyncioLoop",
}


def model_class(model: ConcurrencyModel) -> type[Model]:
    """The class of a model, imported when it is first asked for."""
    module, _, name = REGISTRY[model].partition(":")
    return cast("type[Model]", getattr(import_module(module), name))
