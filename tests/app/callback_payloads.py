"""Bodies as Dash's renderer sends them: one for each callback that runs on the server."""

from __future__ import annotations

VIEW = {"last": "5m", "host": ""}
VALUES = {
    ("view", "data"): VIEW,
    ("requests-chosen", "data"): {"id": 7},
    ("_pages_location", "pathname"): "/requests",
    ("_pages_location", "search"): "?listener=wsgi&status=4xx&last=15m",
    ("requests-listener", "value"): "wsgi",
    ("requests-status", "value"): "4xx",
    ("requests-slower", "value"): "5 ms",
    ("latency-listener", "value"): "wsgi",
    ("servers-comparison", "value"): "1",
    ("sign-in-password", "value"): "open sesame",
    ("server-chosen", "value"): "wsgi",
    ("server-asked", "data"): {"action": "restart", "listener": "wsgi"},
    ("server-free-port", "data"): {"port": 8002},
    ("server-port", "value"): 5555,
    ("server-model", "value"): "thread_pool",
    ("server-threads", "value"): 8,
    ("server-workers", "value"): 2,
    ("server-deny", "value"): "192.0.2.0/24, 2001:db8::/32",
    ("server-allow", "value"): "",
    ("server-app", "value"): "servescope.demo.flask_app:app",
    ("server-log", "checked"): False,
    ("server-new-name", "value"): "mine",
    ("server-new-app", "value"): "servescope.demo.flask_app:app",
    ("server-new-port", "value"): 0,
    ("compare-models", "value"): ["thread_pool", "prefork"],
    ("compare-endpoint", "value"): "hello",
    ("compare-target", "value"): "/",
    ("compare-rate", "value"): 100,
    ("compare-seconds", "value"): 5,
    ("compare-connections", "value"): 32,
    ("compare-order", "value"): "one by one",
    ("load-listener", "value"): "wsgi",
    ("load-target", "value"): "/",
    ("load-rate", "value"): 200,
    ("load-seconds", "value"): 30,
    ("one-run-subject", "value"): "1",
    ("one-run-name", "value"): "before",
    ("one-run-tags", "value"): "sqlite, release 2",
    ("runs-text", "value"): "wsgi",
    ("runs-order", "value"): "-p99",
    ("runs-page", "value"): "2",
    ("runs-chosen", "value"): "1,2",
}


def payloads(callback_map, cursors=None):
    """`{callback id: body}`; `cursors` are what the polls answered, by id of the page's store."""
    cursors = cursors or {}
    bodies = {}
    for output, entry in callback_map.items():
        if "callback" not in entry:
            continue
        several = isinstance(entry["output"], (list, tuple))
        outputs = [
            {"id": one.component_id, "property": one.component_property}
            for one in (entry["output"] if several else [entry["output"]])
        ]

        def filled(declared):
            return [
                dict(one)
                | {
                    "value": cursors.get(one["id"])
                    or VALUES.get(
                        (one["id"], one["property"]),
                        1 if one["property"].startswith("n_") else None,
                    )
                }
                for one in declared
            ]

        inputs = filled(entry["inputs"])
        bodies[output] = {
            "output": output,
            "outputs": outputs if several else outputs[0],
            "inputs": inputs,
            "changedPropIds": [f"{inputs[0]['id']}.{inputs[0]['property']}"],
            "parsedChangedPropsIds": [inputs[0]["id"]],
            "state": filled(entry["state"]),
        }
    return bodies
