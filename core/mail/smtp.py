"""One mail to one SMTP server. Blocks: the mailer calls it in a thread."""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formataddr, formatdate, make_msgid

TIMEOUT_SECONDS = 10.0
"""Longest wait for any single answer of the server."""
TLS_PORT = 465
"""The port that speaks TLS from the first byte, whatever the switch says (RFC 8314)."""


class MailRefused(Exception):
    """It cannot be sent as things are set; trying again does not help."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One recipient, plain text."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, as the options say."""

    host: str
    port: int
    account: str
    password: str = field(repr=False)
    sender: str
    sender_name: str
    tls: bool
    starttls: bool
    insecure: bool
    """Takes any certificate."""
    auth_login: bool
    """AUTH LOGIN, whatever the server offers first."""

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> MailServer | None:
        """From the options; None where no server or no sender is named."""
        host, account = raw["SMTPServer"].strip(), raw["SMTPAccount"].strip()
        sender = raw["SMTPFrom"].strip() or account
        if not host or not sender:
            return None
        return cls(
            host=host,
            port=int(raw["SMTPPort"]),
            account=account,
            password=raw["SMTPToken"],
            sender=sender,
            sender_name=" ".join(raw["SystemName"].split()),
            tls=raw["SMTPSSLEnabled"] == "true" or int(raw["SMTPPort"]) == TLS_PORT,
            starttls=raw["SMTPStartTLSEnabled"] == "true",
            insecure=raw["SMTPInsecureSkipVerify"] == "true",
            auth_login=raw["SMTPForceAuthLogin"] == "true",
        )


def compose(server: MailServer, mail: Mail) -> EmailMessage:
    """The message with its headers. Raises ValueError where a header would hold a line's end."""
    made = EmailMessage()
    made["From"] = formataddr((server.sender_name, server.sender))
    made["To"] = mail.to
    made["Subject"] = mail.subject
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2] or "localhost")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.text)
    return made


def send(server: MailServer, mail: Mail) -> None:
    """Hands it in. Raises MailRefused, smtplib.SMTPException, OSError."""
    context = ssl.create_default_context()
    if server.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if server.tls:
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    try:
        client.ehlo()
        encrypted = server.tls
        if not encrypted and (server.starttls or client.has_extn("starttls")):
            # A server that offers it gets it; where it was asked for, a line that cannot is refused, not trusted.
            if not client.has_extn("starttls"):
                raise MailRefused("The mail server offers no STARTTLS.")
            client.starttls(context=context)
            client.ehlo()
            encrypted = True
        if server.account and server.password:
            if not encrypted and not _near(server.host):
                raise MailRefused("The mail server offers no TLS: its password is not sent in the clear.")
            _sign_in(client, server)
        client.send_message(compose(server, mail), server.sender, [mail.to])
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.quit()
        client.close()


def _sign_in(client: smtplib.SMTP, server: MailServer) -> None:
    if not server.auth_login:
        client.login(server.account, server.password)
        return
    client.user, client.password = server.account, server.password
    client.auth("LOGIN", client.auth_login)


def _near(host: str) -> bool:
    """Whether it is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
