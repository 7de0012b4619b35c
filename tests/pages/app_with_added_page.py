"""Builds the dashboard of the folder it runs in, and prints where the page `/added` is found.

A process of its own: Dash hands the callbacks of pages to the first app of a process, once.
"""

from __future__ import annotations

import json
import sys

import dash

import app as dashboard


def main():
    """Print JSON."""
    pages = {page["path"]: page for page in dash.page_registry.values()}
    with dashboard.app.server.test_request_context("/added"):
        frame = list(dashboard.app.layout()._traverse())
        missing = not_found_page()["layout"]()
        shown = list(pages["/added"]["layout"]()._traverse())
    client = dashboard.app.server.test_client()
    (poll,) = (
        one
        for one in client.get("/_dash-dependencies").get_json()
        if one["output"] == "added-delta.data" and not one["clientside_function"]
    )
    found = {
        "navigation": [[one.label, one.href] for one in frame if type(one).__name__ == "NavLink"],
        "not found": [one.children for one in missing._traverse() if type(one).__name__ == "Link"],
        "titles": [page["title"] for page in pages.values()],
        "status": client.get("/added").status_code,
        "redirect": client.get("/added/").headers["Location"],
        "exports": [getattr(one, "data-export", None) for one in shown],
        "poll": ask(client, poll),
    }
    dashboard.runtime.stop()
    sys.stdout.write(json.dumps(found))


def not_found_page():
    """Dash's entry for the page that stands where none is."""
    return next(
        page for page in dash.page_registry.values() if page["module"].endswith("not_found_404")
    )


def ask(client, poll):
    """The answer of a poll without a cursor."""
    values = {"tick": 1, "view": {"last": "5m"}}
    body = {
        "output": poll["output"],
        "outputs": {"id": "added-delta", "property": "data"},
        "changedPropIds": ["tick.n_intervals"],
        "inputs": [one | {"value": values.get(one["id"])} for one in poll["inputs"]],
        "state": [one | {"value": None} for one in poll["state"]],
    }
    answer = client.post("/_dash-update-component", json=body).get_json()
    return json.loads(answer["response"]["added-delta"]["data"]["text"])["page"]


if __name__ == "__main__":
    main()
