"""Statuses of listeners, and overrides of their settings."""

from dataclasses import replace

from servescope.records.listeners import (
    ConcurrencyModel,
    ListenerOverrides,
    ListenerState,
    ListenerStatus,
)


def listener(name, **more):
    return ListenerStatus(
        name, ListenerState.RUNNING, "127.0.0.1", 8000, "thread_pool", "site", 8000, **more
    )


def test_listeners_are_replaced_as_a_whole_and_keep_their_order(control, other):
    control.listeners.write_statuses(
        [listener("wsgi"), listener("files", message="taken by nginx")]
    )
    assert [one.name for one in other.listeners.statuses()] == ["wsgi", "files"]
    after = [listener("files", since_s=12.5, is_tls=True), listener("wsgi")]
    control.listeners.write_statuses(after)
    assert other.listeners.statuses() == after


def test_listeners_of_a_process_stand_beside_the_leaders_while_it_is_seen(control, other):
    control.listeners.write_statuses([listener("wsgi")], now_s=100)
    other.listeners.write_statuses([listener("mine")], owner=77, now_s=100)
    assert [one.name for one in control.listeners.statuses(now_s=104)] == ["wsgi", "mine"]
    assert [one.name for one in control.listeners.statuses(now_s=106)] == ["wsgi"]
    other.listeners.heartbeat(77, 106)
    assert [one.name for one in control.listeners.statuses(now_s=106)] == ["wsgi", "mine"]
    control.listeners.write_statuses([listener("files")], now_s=107)
    assert [one.name for one in other.listeners.statuses(now_s=107)] == ["files", "mine"]
    other.listeners.write_statuses([], owner=77, now_s=107)
    assert [one.name for one in other.listeners.statuses(now_s=107)] == ["files"]


def test_a_name_keeps_its_place_among_the_colours_whoever_comes_and_goes(control, other):
    control.listeners.write_statuses([listener("wsgi"), listener("shop")])
    first = other.listeners.places()
    assert first.keys() == {"shop"}, "a bundled one has a colour of its own"
    other.listeners.write_statuses([listener("admin"), listener("learn")], owner=77)
    both = control.listeners.places()
    assert both.keys() == {"shop", "admin"}
    assert both["shop"] == first["shop"] != both["admin"], "their letters suggest one place"
    control.listeners.write_statuses([listener("wsgi")])
    other.listeners.give_places(["books", "shop"])
    control.listeners.write_statuses([listener("wsgi"), listener("admin"), listener("shop")])
    known = other.listeners.places()
    assert {name: known[name] for name in both} == both
    assert len(set(known.values())) == len(known) == 3


def test_overrides_are_changed_from_any_process_and_discarded(control, other):
    assert control.listeners.overrides() == {}
    control.listeners.change_overrides(
        "wsgi", lambda before: replace(before, restarts=before.restarts + 1)
    )
    other.listeners.change_overrides(
        "wsgi", lambda before: replace(before, restarts=before.restarts + 1)
    )
    change = other.listeners.change_overrides(
        "wsgi", lambda before: replace(before, deny=("::1",), model="prefork")
    )
    assert (change.before.deny, change.after.deny) == (None, ("::1",))
    expected = ListenerOverrides(restarts=2, deny=("::1",), model=ConcurrencyModel.PREFORK)
    assert control.listeners.overrides() == {"wsgi": expected}
    control.listeners.discard_overrides("wsgi")
    assert other.listeners.overrides() == {}
