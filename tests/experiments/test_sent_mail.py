"""The mail: the message at the server is the text that was sent, dots and all."""

from __future__ import annotations

import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from servescope.experiments.one_connection import one_connection
from servescope.experiments.sent_mail import FROM, TO, WAIT_S, MailSink
from tests.descriptors import open_sockets


def conversation(sink):
    return one_connection("mail-sink", sink.talk, WAIT_S)


@pytest.mark.parametrize("text", ["Hello\n.\n..\nBob\n", "é" * 400 + "\n", "\n"], ids=ascii)
def test_the_message_is_the_text(text):
    before = open_sockets()
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = FROM, TO, "It"
    message.set_content(text)
    sink = MailSink()
    with conversation(sink) as address, smtplib.SMTP(*address, "client.example", 20) as client:
        client.send_message(message)
    assert sink.commands == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    lines = bytes(sink.message).splitlines(keepends=True)
    unstuffed = b"".join(line.removeprefix(b".") for line in lines)  # RFC 5321 section 4.5.2
    got = message_from_bytes(unstuffed, policy=policy.default).get_content()
    assert got.replace("\r\n", "\n") == text
    assert open_sockets() <= before


def test_a_command_that_it_does_not_know_is_refused():
    sink = MailSink()
    with conversation(sink) as address, smtplib.SMTP(*address, "client.example", 20) as client:
        assert client.docmd("VRFY", "bob")[0] == 502
    assert sink.commands[0] == "VRFY"
