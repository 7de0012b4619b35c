"""The context of a process that leads, has no trouble and trusts no version for any time."""

from servescope.queries.context import ProcessContext


def leading_process(store, control, settings, **changed):
    """A `ProcessContext` of these; `changed` are others of its arguments."""
    defaults = {
        "is_leader": lambda: True,
        "leader_pid": lambda: None,
        "problems": tuple,
        "fresh_s": 0,
    }
    return ProcessContext(store, control, settings, **(defaults | changed))
