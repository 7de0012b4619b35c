"""A finding: one judgement, in a sentence, with the figures it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from servescope.figures import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from servescope.findings.evidence import Evidence

    Judgement = Callable[[Evidence], Iterable["Finding"]]


PATH_PANEL: Final = "path"
"""The id of the panel of the overview that has the path of a request, by listener."""


class Severity(StrEnum):
    """How a finding is meant, the most urgent first.

    UNKNOWN is a value of its own: where the evidence is missing or contradicts itself, nothing is
    claimed, neither that all is well nor that it is not.
    """

    BAD = "bad"
    WARN = "warn"
    UNKNOWN = "unknown"
    NOTE = "note"  # true and worth knowing, neither good nor bad
    GOOD = "good"

    @property
    def rank(self) -> int:
        """Its place in the order, 0 for the most urgent."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: `unit` is a UCUM code as in the catalog; None: not measured."""

    name: str
    value: float | None
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} {units.text(self.value, self.unit)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement.

    `code` names the kind, as docs/findings.md lists it; `subject` is what it is about, for example
    `listener wsgi`; `link` is the page that shows the figures, below any path prefix.
    """

    severity: Severity
    code: str
    subject: str
    sentence: str
    evidence: tuple[Figure, ...]
    link: str


def page_of(path: str, listener: str, fragment: str = "") -> str:
    """A page narrowed to a listener, where one is named; `fragment` is its part to jump to."""
    query = f"?{urlencode({'listener': listener})}" if listener else ""
    return f"{path}{query}{fragment and f'#{fragment}'}"


def requests_link(listener: str, status: str) -> str:
    """The page Requests, its log narrowed to a listener's requests of a status or class of it."""
    return f"/requests?{urlencode({'listener': listener, 'status': status})}"


def most_urgent(found: Iterable[Finding]) -> Severity:
    """The severity of the most urgent finding; GOOD when there is none."""
    return min((one.severity for one in found), key=lambda one: one.rank, default=Severity.GOOD)
