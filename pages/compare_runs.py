"""Two load runs side by side."""

from __future__ import annotations

from dash import html, register_page

from components import access, query, run_comparison
from servescope.queries import runs

register_page(__name__, path="/runs/compare", name="Two runs", title="Two load runs · Servescope")


def layout(a: object = "", b: object = "", tolerance: object = "", **_query: object) -> html.Div:
    """The runs that the query names, or why they are not here."""
    numbers = {runs.run_id(query.first(one)): None for one in (a, b)}
    context = access.context().process.home
    found = {number: runs.one(context, number) for number in numbers if number}
    missing = [number for number, run in found.items() if run is None]
    if missing or len(found) != len((a, b)):
        return run_comparison.not_both(missing)
    first, second = (run for run in found.values() if run is not None)
    return html.Div(
        [
            run_comparison.heading(first, second),
            *run_comparison.comparison(
                context, first, second, run_comparison.tolerance_of(query.first(tolerance))
            ),
        ],
        className="no-live runs-page",
    )
