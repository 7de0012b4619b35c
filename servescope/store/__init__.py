"""The metrics store: frames in, ranges and quantiles out; one backend a file."""

from typing import Final

REGISTRY: Final = {"sqlite": "servescope.store.sqlite:SqliteStore"}
"""Backends by name, as `module:class`, each made from a data folder and a size budget in MiB.

The contract suite in `tests/contracts/` runs over all of them."""
