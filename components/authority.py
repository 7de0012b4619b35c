"""Two rights: everybody may look at a page, not everybody may change something.

Without a password only a person at this very machine may act (`client.is_local`), and nobody where
the settings say that people come by way of a proxy. With `SERVESCOPE_PASSWORD` set, whoever has
signed in with it (`sign_in`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from components import audit, client
from components.sign_in import SignIn
from servescope.actions import (
    capacity_searches,
    captures,
    comparisons,
    experiments,
    kept_runs,
    listeners,
    load_runs,
    run_files,
    send_again,
    verdicts,
)
from servescope.errors import NotAllowedError, StoreError
from servescope.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from servescope.actions.capacity_searches import CapacityRequest
    from servescope.actions.captures import CaptureRequest
    from servescope.actions.comparisons import ComparisonRequest
    from servescope.actions.experiments import ExperimentRequest
    from servescope.actions.kept_runs import RunWords
    from servescope.actions.listeners import ListenerRequest, NewListenerRequest
    from servescope.actions.load_runs import LoadRunRequest
    from servescope.actions.send_again import Answer, RequestAgain
    from servescope.actions.verdicts import VerdictRequest
    from servescope.chapters.chapter import Setting
    from servescope.control import Control
    from servescope.control.listeners import OverridesChange
    from servescope.queries.context import QueryContext
    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadRun
    from servescope.runtime import Runtime
    from servescope.settings import Settings

SIGN_IN: Final = "Changes need the operator's password: enter it on the page Sign in first."
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
    """Kept on the Flask app for pages: the query context, and actions behind the right to act.

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
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.runtime.settings

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
            if self.settings.is_behind_proxy:
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

    def start_load_run(self, request: LoadRunRequest) -> int:
        """Start a load run; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        run = load_runs.start(self._control, self.settings, request)
        audit.note(actor, f"asked for load run {run.id}: {audit.load(run.plan)}")
        return run.id

    def stop_load_run(self, run_id: int) -> None:
        """Stop a load run. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        load_runs.stop(self._control.load_runs, run_id)
        audit.note(actor, f"asked for the end of load run {run_id}")

    def describe_load_run(self, run_id: int, words: RunWords) -> LoadRun:
        """Keep a person's words about a load run. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        run = kept_runs.describe(self._control.load_runs, run_id, words)
        audit.note(actor, f"described load run {run_id}: {audit.words(run)}")
        return run

    def repeat_load_run(self, run_id: int) -> int:
        """Start a load run anew; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        run = kept_runs.repeat(self._control, self.settings, run_id)
        audit.note(
            actor, f"asked for load run {run.id}, as run {run_id} again: {audit.load(run.plan)}"
        )
        return run.id

    def delete_load_run(self, run_id: int) -> None:
        """Delete a load run. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        run = kept_runs.delete(self._control.load_runs, self.settings.data_dir, run_id)
        audit.note(actor, f"deleted load run {run_id}: {audit.load(run.plan)}")

    def open_run_file(self, file: IO[bytes]) -> LoadRun:
        """Add the run of a file; return it as it is here.

        Raises NotAllowedError, RunFileError, LoadRefusedError.
        """
        actor = self._demand()
        run = run_files.open_run_file(self._control.load_runs, self.settings.data_dir, file)
        origin = run.origin
        measured_at = origin.label if origin else "a run"
        audit.note(actor, f"opened a run file: {measured_at}, here load run {run.id}")
        return run

    def start_comparison(self, request: ComparisonRequest) -> int:
        """Start a comparison; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        asked = comparisons.start(self._control, self.settings, request)
        audit.note(actor, f"asked for comparison {asked.id}: {audit.comparison(asked.plan)}")
        return asked.id

    def stop_comparison(self, comparison_id: int) -> None:
        """Stop a comparison. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        comparisons.stop(self._control.comparisons, comparison_id)
        audit.note(actor, f"asked for the end of comparison {comparison_id}")

    def start_capacity_search(self, request: CapacityRequest) -> int:
        """Start a search; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        asked = capacity_searches.start(self._control, self.settings, request)
        plan = asked.plan
        audit.note(
            actor,
            f"asked for search {asked.id} of what {plan.destination} {plan.target} carries",
        )
        return asked.id

    def stop_capacity_search(self, search_id: int) -> None:
        """Stop a search. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        capacity_searches.stop(self._control.capacity_searches, search_id)
        audit.note(actor, f"asked for the end of search {search_id} for a capacity")

    def start_verdict(self, request: VerdictRequest) -> int:
        """Start a verdict; return its id. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        asked = verdicts.start(self._control, self.settings, request)
        plan = asked.plan
        sides = f"{plan.before.label} and {plan.after.label}"
        audit.note(actor, f"asked for verdict {asked.id} on {sides}")
        return asked.id

    def stop_verdict(self, verdict_id: int) -> None:
        """Stop a verdict. Raises NotAllowedError, LoadRefusedError."""
        actor = self._demand()
        verdicts.stop(self._control.verdicts, verdict_id)
        audit.note(actor, f"asked for the end of verdict {verdict_id}")

    def start_experiment(self, request: ExperimentRequest) -> int:
        """Start an experiment of a chapter; return its id.

        Raises NotAllowedError, LoadRefusedError.
        """
        actor = self._demand()
        asked = experiments.start(
            self._control.experiments, self.settings, request, at_this_machine=client.is_local()
        )
        audit.note(actor, f"asked for experiment {asked.id} of chapter {asked.plan.chapter}")
        return asked.id

    def why_no_experiment(self, setting: Setting) -> str:
        """Why the person behind the present request may not have it carried out, beside `why_not`.

        It is empty for all experiments but those that run code of theirs.
        """
        at_this_machine = client.is_local()
        return experiments.why_not(self.settings, setting, at_this_machine=at_this_machine)

    def change_listener(self, name: object, request: ListenerRequest) -> OverridesChange:
        """Have a listener as the request describes it.

        This and what follows raises NotAllowedError and ListenerRefusedError.
        """
        actor = self._demand()
        change = listeners.change(self._control.listeners, self.settings, name, request)
        return _noted(actor, name, change)

    def add_listener(self, request: NewListenerRequest) -> tuple[str, OverridesChange]:
        """Have one more listener; return its name."""
        actor = self._demand()
        name, change = listeners.add(self._control.listeners, self.settings, request)
        return name, _noted(actor, name, change)

    def remove_listener(self, name: object) -> None:
        """End a listener that was added."""
        actor = self._demand()
        audit.note(actor, f"removed listener {listeners.remove(self._control.listeners, name)}")

    def reset_listener(self, name: object) -> OverridesChange:
        """Have a listener as its settings say."""
        actor = self._demand()
        change = listeners.reset(self._control.listeners, name)
        audit.note(actor, f"changed listener {name}: back to its settings")
        return change

    def start_listener(self, name: object) -> OverridesChange:
        """Let a listener run."""
        actor = self._demand()
        return _noted(actor, name, listeners.start(self._control.listeners, name))

    def stop_listener(self, name: object) -> OverridesChange:
        """Let a listener not run."""
        actor = self._demand()
        return _noted(actor, name, listeners.stop(self._control.listeners, name))

    def restart_listener(self, name: object) -> OverridesChange:
        """Have a new generation of a listener."""
        actor = self._demand()
        return _noted(actor, name, listeners.restart(self._control.listeners, name))

    def start_capture(self, request: CaptureRequest) -> int:
        """Capture the next requests; return the id. Raises NotAllowedError, CaptureRefusedError."""
        actor = self._demand()
        asked = captures.start(self._control, request)
        audit.note(actor, f"asked for capture {asked.order.id}: {audit.capture(asked.order)}")
        return asked.order.id

    def stop_capture(self) -> None:
        """Capture no more. Raises NotAllowedError."""
        actor = self._demand()
        stopped = captures.stop(self._control)
        if stopped is not None:
            audit.note(actor, f"stopped capture {stopped.order.id}")

    def listener(self, name: object) -> ListenerStatus:
        """The status of a listener that a person may change. Raises ListenerRefusedError."""
        return listeners.changeable(self._control.listeners.statuses(), name)

    def listener_outcome(self, name: object, change: OverridesChange) -> ListenerStatus | None:
        """The status that a change led to; None when it has led to none in time."""
        return listeners.outcome(self._control.listeners, name, change.after.revision)

    def listener_has_ended(self, name: object) -> bool:
        """Whether a listener that was removed is gone."""
        return listeners.has_ended(self._control.listeners, name)

    def send_again(self, listener: object, request: RequestAgain) -> Answer:
        """Send a request again. Raises NotAllowedError, CaptureRefusedError."""
        actor = self._demand()
        answer = send_again.send(self._control, listener, request)
        audit.note(actor, f"sent {request.method} {request.target} again to {listener}")
        return answer

    @property
    def _control(self) -> Control:
        return self.context.process.control

    def _demand(self) -> str:
        """The person who acts, in words. Raises NotAllowedError when they may not."""
        actor, reason = self._standing()
        if reason:
            self._refused.line(
                logging.WARNING, actor, "%s wanted to change something and may not", actor
            )
            raise NotAllowedError(reason)
        return actor


def _noted(actor: str, name: object, change: OverridesChange) -> OverridesChange:
    audit.note(actor, f"changed listener {name}: {audit.difference(*change)}")
    return change


def dashboard_for(runtime: Runtime) -> Dashboard:
    """The dashboard's actions over one runtime."""
    settings = runtime.settings
    sign_in = None
    if settings.password is not None:
        password = settings.password.get_secret_value()
        sign_in = SignIn(runtime.folder, password, f"{settings.path_prefix}/")
    return Dashboard(runtime, sign_in, RateLimitedLog(audit.logger))
