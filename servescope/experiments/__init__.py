"""The kinds of experiment that chapters carry out, a module each.

A kind is a frozen dataclass with `carry_out`: see `servescope.experiments.host.Experimenting`.
"""
