"""A bounded store of notes in memory: what `/api/notes` of the bundled Flask app keeps."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime

MAX_NOTES = 200
MAX_TITLE = 120  # characters
MAX_TEXT = 4_000  # characters
_FIELDS = ("title", "text")


@dataclass(frozen=True, slots=True)
class Draft:
    """The part of a note that a client may write: a title that is not blank, and a text."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A stored note; times are ISO 8601 in UTC with milliseconds."""

    id: int
    title: str
    text: str
    created: str
    updated: str


def draft_from(value: object) -> Draft:
    """Check a decoded JSON value.

    Raises ValueError with one sentence that says what to send instead.
    """
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - the value comes from a client: it is bad data, no bad call
            'A note is a JSON object such as {"title": "…", "text": "…"}.'
        )
    unknown = sorted(value.keys() - set(_FIELDS))
    if unknown:
        raise ValueError(f"Unknown field {unknown[0][:40]!a}; a note has: {', '.join(_FIELDS)}.")
    title = _checked_text(value.get("title", ""), "title", MAX_TITLE).strip()
    if not title:
        raise ValueError("A note needs a title that is not blank.")
    return Draft(title, _checked_text(value.get("text", ""), "text", MAX_TEXT))


def _checked_text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"The {name} must be a string.")  # noqa: TRY004 - as in draft_from
    if len(value) > longest:
        raise ValueError(f"The {name} has {len(value)} characters; at most {longest} are kept.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        # JSON can spell half a surrogate pair ("\ud800"), which no UTF-8 page could show.
        raise ValueError(f"The {name} holds half a surrogate pair, which is no character.")
    return value


class NoteStore:
    """At most `capacity` notes; every method may be called from any thread.

    Notes are addressed by the text of their number, as it stands in a path: "07" is no note.
    """

    def __init__(self, capacity: int = MAX_NOTES) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._notes: dict[str, Note] = {}
        self._last_id = 0

    def all(self) -> list[Note]:
        """Every note, oldest first."""
        with self._lock:
            return list(self._notes.values())

    def create(self, draft: Draft) -> Note | None:
        """Keep a new note under the next number, never one used before; None when full."""
        now = _now()
        with self._lock:
            if len(self._notes) >= self.capacity:
                return None
            self._last_id += 1
            note = Note(self._last_id, draft.title, draft.text, now, now)
            self._notes[str(note.id)] = note
            return note

    def get(self, note_id: str) -> Note | None:
        """One note, None when there is none of that number."""
        with self._lock:
            return self._notes.get(note_id)

    def put(self, note_id: str, draft: Draft) -> Note | None:
        """Replace a note's title and text; None when there is none of that number."""
        now = _now()
        with self._lock:
            note = self._notes.get(note_id)
            if note is None:
                return None
            note = replace(note, title=draft.title, text=draft.text, updated=now)
            self._notes[note_id] = note
            return note

    def delete(self, note_id: str) -> bool:
        """Remove a note; whether there was one."""
        with self._lock:
            return self._notes.pop(note_id, None) is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
