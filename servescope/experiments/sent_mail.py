"""An e-mail by SMTP to a mail server of the experiment, which delivers it to nobody."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.one_connection import one_connection
from servescope.experiments.transcript import Transcript

if TYPE_CHECKING:
    import socket
    from io import BufferedRWPair

    from servescope.experiments.host import ExperimentHost

FROM: Final = "ada@client.example"  # RFC 2606: nobody has such a name
TO: Final = "bob@server.example"
WAIT_S: Final = 10.0
_MOST_LINE: Final = 1_000  # octets, RFC 5321 section 4.5.3.1.6
_MOST_BYTES: Final = 65_536
_ANSWERS: Final = {
    "EHLO": "250 mail.example greets you",
    "HELO": "250 mail.example greets you",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": "354 End the message with a dot on a line of its own",
    "QUIT": "221 Goodbye",
}


class MailSink:
    """A mail server for one conversation (RFC 5321).

    Once that has ended `commands` are the client's, `message` the bytes of the mail as they came,
    and `steps` all in its order.
    """

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.message = bytearray()
        self._told = Transcript()

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The words of both sides."""
        return self._told.steps

    def talk(self, client: socket.socket) -> None:
        """Answer the client's commands until it quits. Raises OSError when it breaks off."""
        client.settimeout(WAIT_S)
        with client.makefile("rwb") as lines:
            self._answer_commands(lines)

    def _answer_commands(self, lines: BufferedRWPair) -> None:
        self._say(lines, "220 mail.example is ready")
        while line := lines.readline(_MOST_LINE):
            command = line[:4].decode("ascii", "replace").upper()
            self.commands.append(command)
            self._told.add("client", f"says {command}", line)
            self._say(lines, _ANSWERS.get(command, "502 This server knows no such command"))
            if command == "DATA":
                self._take_message(lines)
            if command == "QUIT":
                return

    def _take_message(self, lines: BufferedRWPair) -> None:
        while (line := lines.readline(_MOST_LINE)) not in {b".\r\n", b""}:
            if len(self.message) < _MOST_BYTES:
                self.message += line
        self._told.add("client", "sends the message and the dot", bytes(self.message) + line)
        self._say(lines, "250 The message is taken")

    def _say(self, lines: BufferedRWPair, text: str) -> None:
        line = f"{text}\r\n".encode()
        self._told.add("server", "answers" if self.commands else "greets the client", line)
        lines.write(line)
        lines.flush()


@dataclass(frozen=True, slots=True)
class SentMail:
    """The person's text as an e-mail, by Python's smtplib.

    Measured are the `commands` that the client gave, the bytes of the `message`, and the `steps`.
    """

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send it."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = FROM, TO, "A mail by SMTP"
        message.set_content(host.text)
        sink = MailSink()
        with host.span(), one_connection("mail-sink", sink.talk, WAIT_S) as address:
            try:
                with smtplib.SMTP(*address, "client.example", WAIT_S) as client:
                    client.send_message(message)
            except (OSError, smtplib.SMTPException) as error:
                raise LoadRefusedError(f"the mail was not taken: {error}") from error
        return {
            "commands": sink.commands,
            "message": len(sink.message),
            "steps": sink.steps,
        }
