"""Exports: metrics and load runs as files, written by the command line or a process of their own.

`writing` opens the store that an export reads and writes the export, `run_writing` does so for a
load run; the command `python -m servescope export` and `worker`, the process behind the
dashboard's exports, share them.
`process` is the dashboard's side of that process. pandas and pyarrow, which take about 100 MiB, are
imported in there and leave with it.
"""
