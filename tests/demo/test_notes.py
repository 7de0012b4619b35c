"""The note store: bounded, never a number twice, whole under threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from servescope.demo.notes import MAX_TEXT, MAX_TITLE, Draft, NoteStore, draft_from

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def test_is_never_overfilled_by_threads():
    store, threads = NoteStore(capacity=50), 8
    together = threading.Barrier(threads)

    def fill(_: int) -> int:
        together.wait(timeout=10)
        return sum(store.create(Draft("x", "")) is not None for _ in range(20))

    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(fill, range(threads))) == 50
    ids = [note.id for note in store.all()]
    assert ids == list(range(1, 51))


def test_one_of_many_deletes_succeeds():
    store, threads = NoteStore(), 8
    store.create(Draft("x", ""))
    together = threading.Barrier(threads)

    def delete(_: int) -> bool:
        together.wait(timeout=10)
        return store.delete("1")

    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(delete, range(threads))) == 1


def test_a_number_is_not_given_twice():
    store = NoteStore(capacity=1)
    for expected in (1, 2, 3):
        note = store.create(Draft("x", ""))
        assert note is not None
        assert note.id == expected
        assert store.delete(str(expected))


@given(st.one_of(JSON, st.fixed_dictionaries({"title": JSON}, optional={"text": JSON})))
def test_any_json_is_a_good_draft_or_a_sentence(value):
    fault = ""
    try:
        draft = draft_from(value)
    except ValueError as refusal:
        fault = str(refusal)
        draft = Draft("refused", "")
    fault.encode()  # either can be sent
    (draft.title + draft.text).encode()
    assert fault == "" or fault.endswith(".")
    assert 1 <= len(draft.title) <= MAX_TITLE
    assert len(draft.text) <= MAX_TEXT
    assert draft.title == draft.title.strip()
