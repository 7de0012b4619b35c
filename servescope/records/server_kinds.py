"""The kinds of servers that requests go to, as sentences name them."""

from __future__ import annotations

from enum import StrEnum


class ServerKind(StrEnum):
    """The relation of a server to Servescope; the value stands before its name in a sentence."""

    LISTENER = "listener"  # hosted by a process of this data folder
    APP = "app"  # records its requests under another server
    HOST = "server"  # elsewhere: the operator named it
    MODEL = "model"  # gets a listener for as long as it is measured

    def called(self, name: str) -> str:
        """The server in a sentence, as `listener wsgi`."""
        return f"{self} {name}"
