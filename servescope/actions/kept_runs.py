"""Load runs that are kept: name them, repeat them, delete them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.actions.load_runs import admitted
from servescope.errors import LoadRefusedError
from servescope.run_files.imported import remove_series

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.control import Control
    from servescope.control.load_runs import LoadRuns
    from servescope.records.load import LoadRun
    from servescope.settings import Settings

LONGEST_NAME: Final = 80
LONGEST_NOTE: Final = 4_000
LONGEST_TAG: Final = 40
MOST_TAGS: Final = 12


@dataclass(frozen=True, slots=True)
class RunWords:
    """A person's words about a run, unread; tags are parted by commas."""

    name: object
    note: object
    tags: object


def describe(load_runs: LoadRuns, run_id: int, words: RunWords) -> LoadRun:
    """Keep name, note and tags of a run, in whatever state it is.

    Raises LoadRefusedError when one of them is too long or is no text, or when there is no such
    run.
    """
    name = _line("the name", words.name, LONGEST_NAME)
    note = fields.text(words.note).replace("\r\n", "\n")
    if len(note) > LONGEST_NOTE:
        raise LoadRefusedError(
            f"the note has at most {LONGEST_NOTE:,} characters, not {len(note):,}"
        )
    if not all(one.isprintable() or one in "\n\t" for one in note):
        raise LoadRefusedError("the note has characters that cannot be shown: write it without")
    return load_runs.describe(run_id, name, note, read_tags(words.tags))


def read_tags(text: object) -> tuple[str, ...]:
    """The tags of a text, each once, as they come. Raises LoadRefusedError."""
    parts = (_line("a tag", part, LONGEST_TAG) for part in fields.text(text).split(","))
    tags = tuple(dict.fromkeys(filter(None, parts)))
    if len(tags) > MOST_TAGS:
        raise LoadRefusedError(f"a run has at most {MOST_TAGS} tags, not {len(tags)}")
    return tags


def _line(name: str, value: object, longest: int) -> str:
    """A text of one line, `name` in a sentence. Raises LoadRefusedError."""
    text = fields.text(value)
    if len(text) > longest:
        raise LoadRefusedError(f"{name} has at most {longest} characters, not {len(text):,}")
    if not text.isprintable():
        raise LoadRefusedError(f"{name} is one line of characters that can be shown")
    return text


def repeat(control: Control, settings: Settings, run_id: int) -> LoadRun:
    """Ask the leader for a run of the same plan and the same seed; return the new run.

    Raises LoadRefusedError when there is no such run, when its plan is out of today's bounds or
    aims at nothing that it may any more, or while other load goes on.
    """
    run = control.load_runs.by_id(run_id)
    if run is None:
        raise LoadRefusedError(f"there is no load run {run_id}")
    plan = admitted(control, settings, replace(run.plan, comparison=0))
    return control.load_runs.request(plan, time.time())


def delete(load_runs: LoadRuns, data_dir: Path, run_id: int) -> LoadRun:
    """Delete a run that is over, with its result; return what it was.

    The series of one that was opened from a file go with it.

    Raises LoadRefusedError when there is no such run, and while it goes on.
    """
    run = load_runs.delete(run_id)
    if run.origin is not None:
        remove_series(data_dir, run.origin)
    return run
