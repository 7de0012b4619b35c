"""Processes and their heartbeats."""

import pytest

from servescope.records.dashboard import Instance, Role


def test_processes_are_known_by_their_heartbeats(control, other):
    control.instances.heartbeat(11, "follower", 100.0)
    other.instances.heartbeat(10, Role.FOLLOWER, 100.5)
    control.instances.heartbeat(12, Role.LEADER, 101.0)
    assert [(one.pid, one.role) for one in other.instances.alive(102.0)] == [
        (12, Role.LEADER),
        (10, Role.FOLLOWER),
        (11, Role.FOLLOWER),
    ]
    control.instances.heartbeat(11, "leader", 105.0)
    control.instances.heartbeat(11, "leader", 106.0)
    assert other.instances.alive(106.5) == [Instance(11, Role.LEADER, since_s=105.0, seen_s=106.0)]
    control.instances.remove(11)
    assert other.instances.alive(106.5) == []


def test_a_role_nobody_has_is_refused(control):
    with pytest.raises(ValueError, match="boss"):
        control.instances.heartbeat(1, "boss", 1.0)


def test_a_heartbeat_is_no_news_and_another_role_is(control, store):
    control.instances.heartbeat(1, "follower", 1.0)
    seen = store.version()
    control.instances.heartbeat(1, "follower", 2.0)
    assert store.version() == seen
    control.instances.heartbeat(1, "leader", 3.0)
    assert store.version() != seen
