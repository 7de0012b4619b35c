"""The rules behind the server's answers: one for each refusal, found by its sentence."""

from __future__ import annotations

import pytest

from servescope.chapters.message_rules import OF_REFUSALS, OF_STATUSES, rule_of
from servescope.hosting.error_page import error_page
from servescope.wire.http1_rules import Rule


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_each_refusal_of_the_server_has_the_section_of_its_rule(rule):
    status, reason = rule.value
    for accept in ("", "text/html"):
        _, content = error_page(status, reason, accept)
        assert rule_of(status, content.decode()) == OF_REFUSALS[rule]
    assert OF_REFUSALS[rule].startswith("RFC ")


def test_another_answer_has_the_section_of_its_status():
    assert rule_of(404, "a page") == OF_STATUSES[404]
    assert rule_of(299, "") == "RFC 9110 section 15: the first digit of a status code is its class."
