"""Carry out a scenario of Servescope with Locust, on one machine or on many: docs/locust.md.

locust --headless --scenario FILE [--host http://ADDRESS:PORT] [--master --expect-workers N]
locust --worker --master-host HOST
"""

try:
    from locust import events
except ImportError:
    raise SystemExit(
        "Locust is not installed here, and Servescope does not need it for anything else: "
        "python -m pip install 'locust>=2.47,<3'"
    ) from None

from servescope.locust_load.plugin import ScenarioShape, ScenarioUser, register

__all__ = ["ScenarioShape", "ScenarioUser"]

register(events)
