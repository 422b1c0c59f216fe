"""An SMTP server on this machine, for tests of e-mail."""

import email
import email.policy
import os
import signal
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller


class Inbox:
    """Keeps what the server gets. It can refuse everything, and kill the process that sends."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"
        self.kills = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert [mail["To"]] == envelope.rcpt_tos
            self.mails.append(mail)
        if self.kills:
            os.kill(self.kills, signal.SIGKILL)
        return self.answer

    def text(self) -> str:
        """Return the text of the last mail. The server reads all properties of its handler."""
        return str(self.mails[-1].get_content()).replace("\r\n", "\n")


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    handler = Inbox()
    with socket.socket() as free:  # the controller connects to the port that it was given
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(handler, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.MAIL, settings.SITE_URL, settings.EMAIL_FROM = True, "https://labels.example.org", "m@labels.example.org"
    settings.DEFAULT_FROM_EMAIL = settings.EMAIL_FROM
    yield handler
    server.stop()
