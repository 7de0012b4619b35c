"""Simulated servers, whose truth is known: many single-server queues side by side."""

import numpy as np


def poisson_gaps(random, utilisation, requests, runs):
    """Times between arrivals, shape (requests, runs), in mean service times of the fast server."""
    return random.exponential(1 / utilisation, (requests, runs))


def latencies(random, gaps, service_time=1.0):
    """Waiting and service of each request, shape (requests, runs), of queues that begin empty.

    Exponential services, first come first served: W' = max(W + S - A, 0), the recursion of
    Lindley, The theory of queues with a single server, Proc. Cambridge Phil. Soc. 48 (1952).
    """
    found = random.exponential(service_time, gaps.shape)
    waiting = np.zeros(gaps.shape[1])
    for request, gap in enumerate(gaps):
        found[request] += waiting
        waiting = np.maximum(found[request] - gap, 0)
    return found


def quantiles(values, qs):
    """The value at rank ceil(q * n) of each run, shape (len(qs), runs)."""
    ranks = [int(np.ceil(q * len(values) - 1e-9)) - 1 for q in qs]
    return np.partition(values, ranks, axis=0)[ranks]
