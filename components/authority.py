"""Who may act: look at a page, and change something, are two rights.

Without a password only a person at this very machine may act (`client.is_local`), and nobody where
the settings say that people come by way of a proxy. With `SERVESCOPE_PASSWORD` set, whoever has
signed in with it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flask import session

from components import client
from servescope.errors import DataFolderError, NotAllowedError
from servescope.runtime import hostable

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.comparison import ComparisonPlan
    from servescope.queries.desk import Desk
    from servescope.records import ListenerWish, LoadPlan
    from servescope.runtime import Runtime

SESSION_KEY: Final = "operator"
SECRET_NAME: Final = "secret.key"  # noqa: S105 - the name of the file that holds it
SECRET_BYTES: Final = 32
RETRY_S: Final = 1.0
"""After a wrong password no other is looked at for this long: guessing stays slow."""


SIGN_IN: Final = "Changes need the operator's password: sign in first."
FROM_HERE_ONLY: Final = (
    "Only a person at this machine may change something; to act from elsewhere, "
    "set SERVESCOPE_PASSWORD and sign in."
)
BEHIND_PROXY: Final = (
    "People reach this dashboard through a proxy, so nobody is known to be at this machine: to "
    "change something, set SERVESCOPE_PASSWORD and sign in."
)


def session_secret(folder: Path) -> bytes:
    """The key that signs session cookies, shared by all processes of a data folder.

    Raises DataFolderError when it can be neither read nor made.
    """
    path = folder / SECRET_NAME
    try:
        descriptor, draft = tempfile.mkstemp(prefix=SECRET_NAME, dir=folder)  # for us alone: 0600
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
        # The first process wins, whole; the others read its key.
        with suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
        return path.read_bytes()
    except OSError as error:
        raise DataFolderError(f"cannot make {path}: {error.strerror}") from error


@dataclass(slots=True)
class Dashboard:
    """What pages reach through the Flask app: the desk, and actions behind the right to act."""

    runtime: Runtime
    _guessing: threading.Lock
    _next_guess: float = 0.0

    @property
    def desk(self) -> Desk:
        """This process's desk."""
        return self.runtime.desk

    @property
    def has_password(self) -> bool:
        """Whether acting needs a sign-in."""
        return self.runtime.settings.password is not None

    def may_act(self) -> bool:
        """Whether the person behind the present request may change something."""
        return not self.why_not()

    def why_not(self) -> str:
        """Why the person behind the present request may not act; empty when they may."""
        if self.has_password:
            return "" if session.get(SESSION_KEY) else SIGN_IN
        if self.runtime.settings.is_behind_proxy:
            return BEHIND_PROXY
        return "" if client.is_local() else FROM_HERE_ONLY

    def sign_in(self, password: str) -> bool:
        """Give the right to act to this browser session when the password is the operator's.

        Raises NotAllowedError right after a wrong one.
        """
        wanted = self.runtime.settings.password
        if wanted is None:
            return False
        with self._guessing:
            if time.monotonic() < self._next_guess:
                raise NotAllowedError("Wait a second, then try again.")
            right = hmac.compare_digest(password.encode(), wanted.get_secret_value().encode())
            if not right:
                self._next_guess = time.monotonic() + RETRY_S
        if right:
            session[SESSION_KEY] = True
        return right

    def sign_out(self) -> None:
        """Take the right to act back from this browser session."""
        session.pop(SESSION_KEY, None)

    def request_load(self, plan: LoadPlan) -> int:
        """Start a load run; return its id. Raises NotAllowedError, LoadRefusedError."""
        self._demand()
        return self.runtime.request_load(plan)

    def stop_load(self, run_id: int) -> None:
        """Stop a load run. Raises NotAllowedError."""
        self._demand()
        self.runtime.stop_load(run_id)

    def request_comparison(self, plan: ComparisonPlan) -> int:
        """Start a comparison; return its id. Raises NotAllowedError, LoadRefusedError."""
        self._demand()
        return self.runtime.request_comparison(plan)

    def stop_comparison(self, comparison_id: int) -> None:
        """Stop a comparison. Raises NotAllowedError."""
        self._demand()
        self.desk.control.stop_comparison(comparison_id)

    def change_listener(self, name: str, change: Callable[[ListenerWish], ListenerWish]) -> None:
        """Want something else of a listener. Raises NotAllowedError."""
        self._demand()
        self.desk.control.change_wish(name, change)

    def why_not_host(self, app: str) -> str:
        """Why an app may not be hosted from the browser; empty when it may."""
        # What is hosted already, say by `python -m servescope serve`, may be hosted on.
        own = [one.app for one in self.desk.control.listeners() if not one.is_changed]
        return hostable.objection(self.runtime.settings, app, own)

    def offered_apps(self) -> list[str]:
        """The apps a person may choose."""
        return hostable.offered(self.runtime.settings)

    def hosting_rule(self) -> str:
        """In a sentence what may be hosted from the browser, and how to allow more."""
        return hostable.rule(self.runtime.settings)

    def reset_listener(self, name: str) -> None:
        """Want of a listener what its settings say; one that was added goes.

        Raises NotAllowedError.
        """
        self._demand()
        self.desk.control.forget_wish(name)

    def _demand(self) -> None:
        reason = self.why_not()
        if reason:
            raise NotAllowedError(reason)


def dashboard_for(runtime: Runtime) -> Dashboard:
    """The dashboard's actions over one runtime."""
    return Dashboard(runtime, threading.Lock())
