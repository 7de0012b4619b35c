"""Judgements: sentences about what was measured, each derived from its evidence by one function.

Pages, commands and reports say nothing about a measurement but what `findings` gives them.
"""

from servescope.findings.evidence import Evidence
from servescope.findings.finding import Figure, Finding, Severity
from servescope.findings.judge import CHOSEN, EVERYTHING, PATH, PORTS, Topic, findings

__all__ = [
    "CHOSEN",
    "EVERYTHING",
    "PATH",
    "PORTS",
    "Evidence",
    "Figure",
    "Finding",
    "Severity",
    "Topic",
    "findings",
]
