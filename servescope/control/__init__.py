"""Desired and actual state, beside the metrics in the same file: what people want, and what is.

Theory of operation. Any process writes desired state (a load run, the end of one, another model for
a listener); the process that can act on it reads it, acts, and writes back the actual state. One
class a kind of row, each over the same `Database`; each method is one transaction, may be called
from any thread, and raises StoreError when the store cannot be used.
"""

from servescope.control.control import Control

__all__ = ["Control"]
