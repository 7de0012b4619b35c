"""The recording ring: how a server records a request within half a microsecond.

Theory of operation. Every process start that serves requests opens one new file of fixed-size
slots, mapped into memory. A thread takes a slot number from `itertools.count` (one atomic step
under the GIL) and writes the slot, the sequence number last. The page cache survives `kill -9`. A
reader in any process follows with a cursor, the sequence of the next record it wants; a slot counts
only when it bears exactly that sequence, before and after it was copied. The writer never waits:
when it laps the reader, the reader counts what it lost.

A writer holds an exclusive `flock` on its ring for life, so a reader knows for sure when the
writer is gone, whatever became of its pid.

Writers and readers are modules apart. Other people's apps import the writers (`recorder` and the
modules below it), which therefore need the standard library alone; the readers need NumPy.
"""
