"""Start and stop of everything that runs, in order, in the one process that leads.

Theory of operation. Any number of processes may open the same data folder: gunicorn workers, a
second `python app.py`. Each answers pages from the shared store. The one that holds the `flock` on
`leader.lock` also runs the listeners, the samplers, the collector and the load runs. The kernel
gives the lock back the moment its holder dies, so another takes over within a quarter of a second.
People write desired state (a load run, a stop) into the store from any process; the leader
reconciles the actual state with it and writes the result back.
"""

from servescope.runtime.runtime import Runtime

__all__ = ["Runtime"]
