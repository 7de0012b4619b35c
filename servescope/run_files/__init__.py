"""Run files: one load run with all that was measured in its span, as one file (`.servescope`).

A zip archive, described in docs/run-files.md. `document` is its JSON, `series_table` its Parquet,
`archive` writes and reads the whole. `span_store` makes a metrics store of a span's seconds, which
answers the same questions as the one that recorded them. `imported` keeps the stores of runs that
were opened from files, and `worker` is the process that reads a file for the dashboard: pyarrow,
which takes about 100 MiB, is imported in there and leaves with it.
"""
