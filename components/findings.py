"""Findings as a page shows them: sentences, coloured by the most urgent, each with its way on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import dcc, html

from components.cards import BAD, GOOD, WARN
from components.help import attributes
from components.page_links import PATHS
from components.path_prefix import below_prefix
from components.run_links import view_query
from servescope.findings import Severity
from servescope.findings.finding import most_urgent
from servescope.findings.thresholds import severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.findings import Evidence, Finding

_STATES: Final = {Severity.BAD: BAD, Severity.WARN: WARN, Severity.UNKNOWN: "unknown"}
_BOXES: Final = _STATES | {Severity.NOTE: "note"}
"""A box of what is only a note claims neither that all is well nor that it is not."""

_OF_SPAN: Final = {"/requests", "/latency"}
"""The pages whose tables and log count a whole span, where others have a point each second."""

_LINKS: Final = {path: name for name, path in PATHS.items()}


def card_state(threshold: str, value: float | None) -> str:
    """The state of a card's figure by the threshold of that name; none without a figure."""
    state = _STATES.get(severity(threshold, value), GOOD)
    return state if value is not None else GOOD


def severity_class(state: Severity) -> str:
    """The class of what stands so; none for what is well, and for what is only a note."""
    return _STATES.get(state, "")


def moment_query(evidence: Evidence) -> str:
    """The query that has a page show the seconds of a live moment; none for a past view.

    The links of a past view need none: a page keeps the view at hand.
    """
    if evidence.is_past or evidence.end_s is None:
        return ""
    return view_query(evidence.end_s - evidence.window_s, evidence.end_s)


def findings_list(
    found: Sequence[Finding], page: str, view: str = "", *, moment: str = ""
) -> html.Ul:
    """All findings; `page` is the address of the page at hand: links lead to others.

    `view` is a query that is added to each link: the span that the findings are of. `moment` is one
    for those links alone that lead to counts and means of a span, see `moment_query`.
    """
    return html.Ul([_item(one, page, view, moment) for one in found], className="findings")


def verdict(found: Sequence[Finding], page: str, view: str = "", *, moment: str = "") -> html.Div:
    """All findings in a box; `page`, `view` and `moment` as `findings_list` has them."""
    if not found:
        return html.Div(role="status")  # an empty box would look as if all were well
    state = _BOXES.get(most_urgent(found), "")
    return html.Div(
        findings_list(found, page, view, moment=moment),
        className=f"verdict {state}".strip(),
        role="alert" if state in {BAD, WARN} else "status",
    )


def _item(one: Finding, page: str, view: str, moment: str) -> html.Li:
    path = one.link.partition("?")[0].partition("#")[0]
    said: list[Any] = [html.Span(one.sentence)]
    if path != page:
        href = _href(one.link, view or (moment if path in _OF_SPAN else ""))
        said += [" ", dcc.Link(f"See {_LINKS[path]}", href=href, className="way-on")]
    return html.Li(
        said,
        className=f"finding {one.severity}",
        title="; ".join(str(figure) for figure in one.evidence) or None,
        **attributes(data_code=one.code),
    )


def _href(link: str, view: str) -> str:
    rest, mark, fragment = link.partition("#")
    path, _, query = rest.partition("?")
    queries = "&".join(filter(None, (query, view)))
    return below_prefix(path) + (f"?{queries}" if queries else "") + mark + fragment
