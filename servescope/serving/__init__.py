"""The reference server: listeners, and the concurrency models that drive a Conversation."""

from servescope.serving.listener import RunningListener, start_listener
from servescope.sockets.binding import bind

__all__ = ["RunningListener", "bind", "start_listener"]
