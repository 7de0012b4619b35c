"""Registers one more model in a fresh interpreter; prints where a person can choose it, as JSON.

Run by `test_registry`, before anything that lists the models was imported.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
from servescope.serving.models import REGISTRY

if TYPE_CHECKING:
    from dash.development.base_component import Component

NAME = "green_threads"
LABEL = "green threads"


def register() -> ConcurrencyModel:
    """Add a member as a person who edits the enumeration would, and its class to the registry."""
    member = str.__new__(ConcurrencyModel, NAME)
    member._name_, member._value_ = NAME.upper(), NAME
    ConcurrencyModel._member_names_.append(member._name_)
    ConcurrencyModel._member_map_[member._name_] = member
    ConcurrencyModel._value2member_map_[NAME] = member
    REGISTRY[member] = "servescope.serving.models.sequential:Sequential"
    return member


def main() -> None:
    """Look at each place."""
    folder = Path(sys.argv[1])
    model = register()

    from components.comparison_form import comparison_form, request
    from components.server_form import server_form
    from servescope.actions.compared_endpoints import BUNDLED_ENDPOINTS
    from servescope.actions.comparisons import read
    from servescope.commands.serve import add_arguments, listener_of
    from servescope.recording.recorder import Recorder
    from servescope.serving import start_listener
    from servescope.settings import load_settings

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["servescope.demo.flask_app:app", "--model", NAME])
    endpoint = next(iter(BUNDLED_ENDPOINTS))
    asked = request([NAME, "sequential"], endpoint, "/", 10, 5, 4, "one by one", [], "")
    plan = read(load_settings(), asked)
    recorder = Recorder(folder)
    listener = start_listener(
        ListenerSpec("x", "127.0.0.1", 0, model, AppKind.STATIC, str(folder)), recorder
    )
    port = listener.address[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        status = answer.status
    listener.stop()
    recorder.close()
    found = {
        "settings": load_settings(wsgi_model=NAME).wsgi_model,
        "help of the option": NAME in parser.format_help(),
        "option": listener_of(arguments).model,
        "form of a server": LABEL in _text(server_form([], "", [], "")),
        "form of a comparison": LABEL in _text(comparison_form(BUNDLED_ENDPOINTS, [], "")),
        "comparison that was asked for": plan.models,
        "answer": status,
    }
    json.dump(found, sys.stdout)


def _text(form: Component) -> str:
    return json.dumps(form.to_plotly_json(), default=lambda part: part.to_plotly_json())


if __name__ == "__main__":
    main()
