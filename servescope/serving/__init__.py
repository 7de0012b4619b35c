"""The reference server: listeners, and the concurrency models that drive a Conversation."""

from servescope.serving.binding import bind
from servescope.serving.listener import RunningListener, start_listener

__all__ = ["RunningListener", "bind", "start_listener"]
