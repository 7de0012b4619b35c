"""Scenarios of load: when requests are due, what they hold, how a file tells it, what is allowed.

The records are `servescope.records.scenarios`; the generator that carries them out is
`servescope.load`.
"""
