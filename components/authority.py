"""Two rights: everybody may look at a page, not everybody may change something.

Without a password only a person at this very machine may act (`client.is_local`), and nobody where
the settings say that people come by way of a proxy. With `SERVESCOPE_PASSWORD` set, whoever has
signed in with it (`sign_in`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components import audit, client
from components.sign_in import SignIn
from servescope.errors import NotAllowedError, StoreError
from servescope.rate_limited_log import RateLimitedLog
from servescope.runtime import hostable

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.comparison import ComparisonPlan
    from servescope.queries.context import QueryContext
    from servescope.records import ListenerOverrides, LoadPlan
    from servescope.runtime import Runtime

SIGN_IN: Final = "Changes need the operator's password: sign in first."
FROM_HERE_ONLY: Final = (
    "Only a person at this machine may change something; to act from elsewhere, "
    "set SERVESCOPE_PASSWORD and sign in."
)
BEHIND_PROXY: Final = (
    "People reach this dashboard through a proxy, so nobody is known to be at this machine: to "
    "change something, set SERVESCOPE_PASSWORD and sign in."
)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The door for pages, kept on the Flask app: the context, and actions behind the right to act.

    Each action that is carried out leaves a line in the log that says who did it (`audit`).
    """

    runtime: Runtime
    _sign_in: SignIn | None  # None where no password is set
    _refused: RateLimitedLog

    @property
    def context(self) -> QueryContext:
        """This process's context."""
        return self.runtime.context

    @property
    def has_password(self) -> bool:
        """Whether acting needs a sign-in."""
        return self._sign_in is not None

    def may_act(self) -> bool:
        """Whether the person behind the present request may change something."""
        return not self.why_not()

    def why_not(self) -> str:
        """Why the person behind the present request may not act; empty when they may."""
        return self._standing()[1]

    def _standing(self) -> tuple[str, str]:
        """The person behind the present request in words, and a reason why they may not act."""
        address = client.address() or "a unix socket"
        if self._sign_in is None:
            if self.runtime.settings.is_behind_proxy:
                return address, BEHIND_PROXY
            if client.is_local():
                return f"{address} (at this machine)", ""
            return address, FROM_HERE_ONLY
        try:
            session = self._sign_in.session()
        except StoreError as error:
            return address, f"Nobody may change anything now: {error}."
        return (f"{address} (session {session})", "") if session else (address, SIGN_IN)

    def sign_in(self, password: object) -> bool:
        """Give the right to act to this browser when the password is the operator's.

        Raises NotAllowedError while attempts from there are not looked at, StoreError when it
        cannot be kept who signed in.
        """
        if self._sign_in is None or not isinstance(password, str):
            return False
        is_right = self._sign_in.attempt(password, at_this_machine=client.is_local())
        if is_right:
            audit.note(self._standing()[0], "signed in")
        return is_right

    def sign_out(self) -> None:
        """Take the right to act back from this browser, in every process. Raises StoreError."""
        if self._sign_in is None:
            return
        actor, reason = self._standing()
        self._sign_in.end()
        if not reason:
            audit.note(actor, "signed out")

    def request_load(self, plan: LoadPlan) -> int:
        """Start a load run; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        run_id = self.runtime.request_load(plan)
        audit.note(actor, f"asked for load run {run_id}: {audit.load(plan)}")
        return run_id

    def stop_load(self, run_id: int) -> None:
        """Stop a load run. Raises NotAllowedError."""
        actor = self._demand()
        self.runtime.stop_load(run_id)
        audit.note(actor, f"asked for the end of load run {run_id}")

    def request_comparison(self, plan: ComparisonPlan) -> int:
        """Start a comparison; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        comparison_id = self.runtime.request_comparison(plan)
        audit.note(actor, f"asked for comparison {comparison_id}: {audit.comparison(plan)}")
        return comparison_id

    def stop_comparison(self, comparison_id: int) -> None:
        """Stop a comparison. Raises NotAllowedError."""
        actor = self._demand()
        self.context.process.control.comparisons.request_stop(comparison_id)
        audit.note(actor, f"asked for the end of comparison {comparison_id}")

    def change_listener(
        self, name: str, change: Callable[[ListenerOverrides], ListenerOverrides]
    ) -> None:
        """Want something else of a listener. Raises NotAllowedError."""
        actor = self._demand()
        changes: list[str] = []

        def noted(before: ListenerOverrides) -> ListenerOverrides:
            after = change(before)
            changes.append(audit.difference(before, after))
            return after

        self.context.process.control.listeners.change_overrides(name, noted)
        audit.note(actor, f"changed listener {name}: {changes[-1]}")

    def why_not_host(self, app: str) -> str:
        """Why an app may not be hosted from the browser; empty when it may."""
        # What is hosted already, say by `python -m servescope serve`, may be hosted on.
        own = [
            one.app
            for one in self.context.process.control.listeners.statuses()
            if not one.is_changed
        ]
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
        actor = self._demand()
        self.context.process.control.listeners.discard_overrides(name)
        audit.note(actor, f"changed listener {name}: back to its settings, or removed")

    def _demand(self) -> str:
        """Who acts. Raises NotAllowedError when they may not."""
        actor, reason = self._standing()
        if reason:
            self._refused.line(
                logging.WARNING, actor, "%s wanted to change something and may not", actor
            )
            raise NotAllowedError(reason)
        return actor


def dashboard_for(runtime: Runtime) -> Dashboard:
    """The dashboard's actions over one runtime."""
    settings = runtime.settings
    sign_in = None
    if settings.password is not None:
        password = settings.password.get_secret_value()
        sign_in = SignIn(runtime.folder, password, f"{settings.path_prefix}/")
    return Dashboard(runtime, sign_in, RateLimitedLog(audit.logger))
