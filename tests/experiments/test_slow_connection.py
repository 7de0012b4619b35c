"""A phone in a tunnel and a laptop behind it: who waits, and what the app knows of them."""

from __future__ import annotations

from servescope.experiments.slow_connection import LAPTOP, PHONE, SlowConnection, Stuck


def texts(measured):
    return [(step["side"], step["text"]) for step in measured["steps"]]


def test_a_proxy_sends_the_laptops_request_on_before_the_phones(carried_out):
    measured = carried_out(SlowConnection(Stuck.SENDING, has_proxy=True))
    assert measured["laptop_ms"] < measured["phone_ms"]
    assert measured["phone_seen"] == f"Connected from 127.0.0.1, for {PHONE}"
    assert measured["laptop_seen"] == f"Connected from 127.0.0.1, for {LAPTOP}"
    of_proxy = [text for side, text in texts(measured) if side == "proxy"]
    assert [LAPTOP in text for text in of_proxy] == [True, True, False, False]
    moments = [step["at_ms"] for step in measured["steps"]]
    assert moments == sorted(moments)
    (sent, *_) = (step["data"] for step in measured["steps"] if step["side"] == "laptop")
    (passed_on, *_) = (step["data"] for step in measured["steps"] if step["side"] == "proxy")
    assert sent.splitlines()[:2] == passed_on.splitlines()[:2]
    assert f"X-Forwarded-For: {LAPTOP}" in passed_on
    assert "Forwarded" not in sent


def test_without_a_proxy_the_app_sees_the_clients_and_serves_the_first_one_first(carried_out):
    measured = carried_out(SlowConnection(Stuck.RECEIVING, has_proxy=False))
    assert measured["phone_ms"] < measured["laptop_ms"]
    assert measured["phone_seen"] == f"Connected from {PHONE}, for nobody"
    assert measured["laptop_seen"] == f"Connected from {LAPTOP}, for nobody"
