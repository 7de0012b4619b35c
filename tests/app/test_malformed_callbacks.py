"""Ten thousand callback requests that no page of ours sends: each is refused, or answered."""

import logging
import random
from collections import Counter

import pytest

from tests.app.callback_payloads import payloads
from tests.app.payload_mutations import mutated
from tests.processes import eventually

CALLBACKS = "/_dash-update-component"
STRANGER = {"REMOTE_ADDR": "192.0.2.7"}  # who may act would start listeners and load with them
BATCHES = 10
PAYLOADS_A_BATCH = 1_000
WITHOUT_GRAPHS = {"chapter-delta.data", "runs-delta.data"}


@pytest.fixture(scope="module")
def client(app):
    """A client of a dashboard that has seconds to show."""
    client = app.server.test_client()
    client.get("/")
    context = app.server.extensions["servescope"].context
    eventually(lambda: context.newest() is not None)
    return client


@pytest.fixture(scope="module")
def recorded(app, client):
    """Bodies as the pages send them, cursors of their last answers among them."""
    first = payloads(app.callback_map)
    cursors = {}
    for output, body in first.items():
        if output.endswith("-delta.data"):
            answer = client.post(CALLBACKS, json=body, environ_base=STRANGER).get_json()
            told = app.server.json.loads(
                answer["response"][output.removesuffix(".data")]["data"]["text"]
            )
            assert told["graphs"] or output in WITHOUT_GRAPHS, output
            kept = {name: told[name] for name in ("view", "cursor", "shape")}
            cursors[output.removesuffix("-delta.data") + "-cursor"] = kept
    assert len(cursors) == 10
    return payloads(app.callback_map, cursors)


def test_what_our_pages_send_is_answered(client, recorded):
    for output, body in recorded.items():
        answer = client.post(CALLBACKS, json=body, environ_base=STRANGER)
        assert answer.status_code in {200, 204}, (output, answer.text)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_what_no_page_sends_is_refused_or_answered(client, recorded, batch, caplog):
    dice = random.Random(batch)  # noqa: S311 - a fault recurs
    statuses = Counter()
    with caplog.at_level(logging.INFO):
        for number in range(PAYLOADS_A_BATCH):
            body = recorded[dice.choice(list(recorded))]
            sent, content_type = mutated(dice, body)
            answer = client.post(
                CALLBACKS, data=sent, content_type=content_type, environ_base=STRANGER
            )
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (number, sent[:2_000], answer.text)
    assert [record for record in caplog.records if record.exc_info] == []
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert set(statuses) <= {200, 204, 400, 403, 409, 413, 415}
    assert statuses[200] > PAYLOADS_A_BATCH / 10  # that many reached a page
    assert statuses[400] > PAYLOADS_A_BATCH / 10
