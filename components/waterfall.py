"""The stages of one request, one below the other, each beginning where the one above ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import html

from servescope.figures import theme, units

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dash.development.base_component import Component

    from servescope.queries.rows import UsualDurations

MEANING: Final = {
    "kernel": "the bytes wait in the kernel until the server reads them",
    "read": "from the first byte to the end of the request's head",
    "queue": "the complete head waits for a thread",
    "app": "the app works until its response head is ready",
    "body": "the app makes the response body",
    "write": "the response goes to the kernel",
}
"""The work of a request in each stage."""

NOT_MEASURED: Final = "not measured"
WHOLE: Final = "whole"
"""Stands below the stages, for their sum."""


def waterfall(
    stages_s: Mapping[str, float],
    usual: Mapping[str, UsualDurations] | None = None,
    of: str = "",
    unmeasured: Collection[str] = (),
) -> html.Div:
    """Bars in proportion to seconds; durations beside them, and with `usual` two percentiles.

    `usual`: of each stage, and of WHOLE, of all requests to the listener `of`. The zeros of stages
    that are `unmeasured` are no durations.
    """
    whole_s = sum(stages_s.values())
    total = whole_s or 1.0
    begun = 0.0
    texts = {
        name: [units.text(seconds, "s"), *_usual(name, usual)]
        for name, seconds in {**stages_s, WHOLE: whole_s}.items()
    }
    cells: list[Component] = []
    if usual is not None:
        cells += [html.Span(), html.Span(), html.B("this one", className="amount")]
        cells += [html.B(f"{of} {name}".strip(), className="amount") for name in ("p50", "p99")]
    for stage, seconds in stages_s.items():
        bar = html.Div(
            className="bar",
            style={
                "left": f"{100 * begun / total:.3f}%",
                "width": f"{100 * seconds / total:.3f}%",
                "background": theme.MEANINGS.get(stage, theme.GREY),
            },
        )
        cells += [
            html.Span(stage, title=MEANING.get(stage, "")),
            html.Div(bar, className="track"),
            html.Span(NOT_MEASURED if stage in unmeasured else texts[stage][0], className="amount"),
            *_percentiles(texts[stage]),
        ]
        begun += seconds
    cells += [
        html.B(WHOLE),
        html.Span(),
        html.B(texts[WHOLE][0], className="amount"),
        *_percentiles(texts[WHOLE]),
    ]
    return html.Div(cells, className="waterfall" if usual is None else "waterfall with-usual")


def _usual(stage: str, usual: Mapping[str, UsualDurations] | None) -> list[str]:
    if usual is None:
        return []
    durations = usual.get(stage)
    values = (durations.p50_s, durations.p99_s) if durations else (None, None)
    return list(map(units.percentile, values))


def _percentiles(texts: list[str]) -> list[Component]:
    """Those that stand behind the duration of the request itself."""
    return [html.Span(text, className="amount usual") for text in texts[1:]]
