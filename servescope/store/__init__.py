"""The metrics store: frames in, ranges and quantiles out; one backend a file or a small package."""

from typing import Final

REGISTRY: Final = {
    "sqlite": "servescope.store.sqlite.store:SqliteStore",
    "prometheus+http": "servescope.store.engine.store:PrometheusStore",
    "prometheus+https": "servescope.store.engine.store:PrometheusStore",
}
"""Backends by the name, or the scheme, that `SERVESCOPE_STORE` has for them, as `module:class`.

Each is made from a data folder and a size budget in MiB; one with a scheme also from `url` and
`instance`. The contract suite in `tests/contracts/` runs over all of them."""
