"""The audit log: one line for each change that a person makes."""

from __future__ import annotations

import logging
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from servescope.figures.run_texts import offered_text
from servescope.sentences import counted

if TYPE_CHECKING:
    from servescope.records.captures import CaptureOrder
    from servescope.records.comparisons import ComparisonPlan
    from servescope.records.listeners import ListenerOverrides
    from servescope.records.load import LoadPlan, LoadRun

logger = logging.getLogger("servescope.audit")


def note(actor: str, did: str) -> None:
    """Write that `actor` did something; both in words, with nothing in them that breaks a line."""
    logger.info("%s %s", _in_one_line(actor), _in_one_line(did))


def load(plan: LoadPlan) -> str:
    """A load run in a few words."""
    return (
        f"{offered_text(plan.scenario)} for {plan.seconds:g} s on {plan.destination} {plan.target}"
    )


def words(run: LoadRun) -> str:
    """A person's words about a run; of a note how long it is."""
    tags = ", ".join(run.tags) or "none"
    return f"name {run.name or 'none'}; tags {tags}; a note of {len(run.note):,} characters"


def comparison(plan: ComparisonPlan) -> str:
    """A comparison in a few words."""
    load = f"{offered_text(plan.scenario)} for {plan.scenario.schedule.seconds:g} s"
    models = [f"{', '.join(plan.models)} with {plan.app}"] if plan.models else []
    listeners = [", ".join(plan.listeners)] if plan.listeners else []
    listeners += [", ".join(one.origin for one in plan.hosts)] if plan.hosts else []
    return f"{' beside '.join(models + listeners)}: {load}"


def capture(order: CaptureOrder) -> str:
    """A capture in a few words."""
    wanted = {name: value for name, value in asdict(order.filter).items() if value}
    which = "; ".join(f"{name} {value}" for name, value in wanted.items()) or "any"
    return f"the next {counted(order.count, 'request')} ({which})"


def difference(before: ListenerOverrides, after: ListenerOverrides) -> str:
    """The fields in which two overrides differ, in words; a value nobody chose is `unset`."""
    changed = [
        f"{field.name} {_told(old)} -> {_told(new)}"
        for field in fields(after)
        if field.compare
        and (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    ]
    return "; ".join(changed) or "nothing"


def _told(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _in_one_line(text: str) -> str:
    """The text with what could end a line, or play with a terminal, escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
