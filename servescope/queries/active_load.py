"""Whether anything sends load: a run, comparison, search for a capacity, verdict or experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.queries.capacity import active_search
from servescope.queries.comparison import active_comparison
from servescope.queries.experiments import active_experiment
from servescope.queries.load import active_run
from servescope.queries.verdicts import active_verdict

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext


def is_load_active(context: QueryContext) -> bool:
    """Whether load is asked for or under way; then no other is admitted."""
    questions = (active_run, active_comparison, active_search, active_verdict, active_experiment)
    return any(active(context) for active in questions)
