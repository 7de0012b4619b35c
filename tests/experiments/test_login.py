"""The session's cookie: it is read as its signer reads it, and a changed one is refused."""

from __future__ import annotations

import json

import pytest
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature

from servescope.chapters.state_and_safety import CHAPTER
from servescope.demo.flask_app import create_app
from servescope.experiments.login import forged, payload_of
from servescope.records.load import RunState


@pytest.fixture
def signer():
    app = create_app()
    app.secret_key = "for this test alone"
    return SecureCookieSessionInterface().get_signing_serializer(app)


@pytest.mark.parametrize("name", ["Ada", "Zoë", "x" * 300], ids=["short", "accent", "deflated"])
def test_the_payload_is_read_without_the_key_and_not_changed_without_it(signer, name):
    cookie = f"session={signer.dumps({'name': name})}"
    assert signer.loads(cookie.partition("=")[2])["name"] == name
    assert json.loads(payload_of(cookie))["name"] == name
    with pytest.raises(BadSignature):
        signer.loads(forged(cookie).partition("=")[2])


@pytest.mark.parametrize("cookie", ["", "session=", "session=%", "session=.AAAA.x.y"])
def test_what_is_no_such_cookie_has_no_payload(cookie):
    assert payload_of(cookie) == ""


def test_a_name_that_the_app_refuses_fails_the_experiment_with_its_status(experimenter):
    done = experimenter.carry_out(CHAPTER, CHAPTER.setting("session"), text="<b>")
    assert (done.state, done.message) == (RunState.FAILED, "the app refused the name: status 422")
