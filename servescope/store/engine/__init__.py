"""The store on a Prometheus-compatible engine, with the local SQLite file as its write-ahead queue.

Theory of operation. Frames are committed to the local file first, as they are without an engine. A
sender reads them from there, second by second, and sends them by remote-write; how far it came
stands in the same file, so that an outage of the engine, or of us, loses nothing that the file
still holds. Questions go to the engine; those about this host in coarse steps go to the local
file, which keeps them ready, and all of them while the engine is away.

Rows of the coarser tiers follow the same way, each with a cursor of its own, and so does a record
of the rows that the engine has; `tier_choice` picks the tier for each segment of a span.

A second is sent as what it *added* (OpenTelemetry's delta temporality), not as running totals: sums
over any span are then exact, gaps are gaps, and no restart is a reset. A histogram is sent as the
counts of its buckets, one series a bucket in use, so that merging is adding and percentiles come
from merged buckets here.
"""
