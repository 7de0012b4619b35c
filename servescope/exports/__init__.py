"""Exports: recorded metrics as a file, written by the command line or by a process of their own.

`writing` opens the store that an export reads and writes the export; the command
`python -m servescope export` and `worker`, the process behind the dashboard's `/export`, share it.
`process` is the dashboard's side of that process. pandas and pyarrow, which take about 100 MiB, are
imported in there and leave with it.
"""
