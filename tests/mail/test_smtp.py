"""Handing mail in: TLS, STARTTLS, certificates, signing in, headers; what is queued behind requests."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import Overloaded
from core.mail import mailer, smtp
from core.mail.mailer import Mailer
from core.mail.smtp import Mail, MailRefused, MailServer, compose, send
from core.options.table import DEFAULTS
from tests.servers.smtp import MailHouse, certificate
from tests.servers.smtp import smtp as serve

MAIL = Mail("ada@example.org", "Your code: ü", "Your code is ABC234\n")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("smtp"))


def server(port: int, **options: str) -> MailServer:
    """As the options would have it."""
    raw = {**DEFAULTS, "SMTPServer": "127.0.0.1", "SMTPPort": str(port), "SMTPFrom": "site@example.org", **options}
    found = MailServer.of(raw)
    assert found is not None
    return found


def test_nothing_is_set_up() -> None:
    assert MailServer.of(DEFAULTS) is None
    assert MailServer.of({**DEFAULTS, "SMTPServer": "mail.example"}) is None, "from whom?"
    found = MailServer.of(
        {**DEFAULTS, "SMTPServer": "m", "SMTPAccount": "a@b.c", "SMTPPort": "465", "SMTPToken": "t0p"}
    )
    assert found is not None
    assert (found.sender, found.tls) == ("a@b.c", True)
    assert "t0p" not in repr(found)


def test_plain() -> None:
    with serve() as house:
        send(server(house.port), MAIL)
    (taken,) = house.taken
    assert (taken.sender, taken.to, taken.encrypted, taken.user) == ("site@example.org", MAIL.to, False, "")
    assert taken.text == MAIL.text
    assert taken.message["From"] == "Isthmus <site@example.org>"
    assert taken.message["Subject"] == MAIL.subject
    assert taken.message["Date"]
    assert taken.message["Message-ID"].endswith("@example.org>")


def test_tls_from_the_first_byte(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"SMTPSSLEnabled": "true", "SMTPAccount": "me", "SMTPToken": "mail-pass"}
    with serve(pem, tls=True) as house:
        with pytest.raises(ssl.SSLCertVerificationError):
            send(server(house.port, **options), MAIL)
        assert house.taken == []
        send(server(house.port, SMTPInsecureSkipVerify="true", **options), MAIL)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        send(server(house.port, **options), MAIL)
    assert [(taken.encrypted, taken.user) for taken in house.taken] == [(True, "PLAIN me")] * 2


def test_starttls(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(pem, starttls=True) as house:
        for options in ({}, {"SMTPStartTLSEnabled": "true"}):
            with pytest.raises(ssl.SSLCertVerificationError):
                send(server(house.port, **options), MAIL)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        for options in ({}, {"SMTPStartTLSEnabled": "true"}):
            send(server(house.port, SMTPAccount="me", SMTPToken="mail-pass", **options), MAIL)
    assert [(taken.encrypted, taken.user) for taken in house.taken] == [(True, "PLAIN me")] * 2
    with serve() as house:
        with pytest.raises(MailRefused, match="STARTTLS"):
            send(server(house.port, SMTPStartTLSEnabled="true"), MAIL)
        assert house.taken == [], "a line that was to be encrypted and cannot is not trusted"


def test_signing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    account = {"SMTPAccount": "me", "SMTPToken": "mail-pass"}
    with serve() as house:
        send(server(house.port, SMTPForceAuthLogin="true", **account), MAIL)
        assert house.taken[0].user == "LOGIN me"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            send(server(house.port, **{**account, "SMTPToken": "wrong"}), MAIL)
        monkeypatch.setattr(smtp, "_near", lambda host: False)
        house.commands.clear()
        with pytest.raises(MailRefused, match="in the clear"):
            send(server(house.port, **account), MAIL)
        assert "AUTH" not in house.commands


@pytest.mark.parametrize("field", ["to", "subject"])
def test_no_header_is_smuggled_in(field: str) -> None:
    bad = replace(MAIL, **{field: "x@example.org\r\nBcc: eve@example.org"})
    with pytest.raises(ValueError, match=r"linefeed|newline|CR|invalid"):
        compose(server(25), bad)
    named = server(25, SystemName="Mine\r\nBcc: eve@example.org")
    assert "Bcc" not in compose(named, MAIL)


# -- behind requests --------------------------------------------------------------------------


async def ready() -> Mail:
    return MAIL


async def done(made: Mailer) -> None:
    """Until nothing is under way."""
    await asyncio.wait_for(asyncio.gather(*made._tasks), 30)


async def test_the_event_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    gate, told = threading.Event(), []

    def deliver(_: MailServer, mail: Mail) -> None:
        gate.wait(30)
        told.append(mail)

    made = Mailer(deliver)
    for _ in range(mailer.AT_ONCE + 2):
        made.post(server(25), ready)
    for _ in range(50):
        await asyncio.sleep(0)  # this would hang if sending held the loop
    assert told == []
    gate.set()
    await done(made)
    assert told == [MAIL] * (mailer.AT_ONCE + 2)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (lambda: OSError("refused"), 3), (lambda: smtplib.SMTPServerDisconnected("gone"), 3),
        (lambda: smtplib.SMTPAuthenticationError(535, b"no"), 1), (lambda: MailRefused("no TLS"), 1),
        (lambda: smtplib.SMTPRecipientsRefused({MAIL.to: (550, b"no")}), 1), (lambda: RuntimeError("a slip"), 1),
    ],
)  # fmt: skip
async def test_what_is_tried_again(
    error: Callable[[], Exception], tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Mail] = []

    def deliver(_: MailServer, mail: Mail) -> None:
        calls.append(mail)
        raise error()

    made = Mailer(deliver, pauses=(0.0, 0.0))
    made.post(server(25), ready)
    await done(made)
    assert len(calls) == tries
    assert caplog.records, "the operator learns of it"
    assert MAIL.to not in caplog.text, "not whom it was for"
    assert "ABC234" not in caplog.text


async def test_the_queue_has_an_end() -> None:
    gate = asyncio.Event()

    async def waits() -> None:
        await gate.wait()

    made = Mailer()
    for _ in range(mailer.WAITING_MOST):
        made.post(server(25), waits)
    with pytest.raises(Overloaded):
        made.post(server(25), waits)
    gate.set()
    await done(made)


async def test_closing_leaves_what_hangs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(mailer, "GRACE_SECONDS", 0.1)
    gate = threading.Event()

    def deliver(*_: Any) -> None:
        gate.wait(30)

    made = Mailer(deliver)
    made.post(server(25), ready)
    await asyncio.sleep(0)
    await asyncio.wait_for(made.close(), 10)
    assert "unsent" in caplog.text
    gate.set()


def test_a_server_that_is_broken() -> None:
    house: MailHouse
    with serve(replies={"MAIL": "451 later"}) as house, pytest.raises(smtplib.SMTPException):
        send(server(house.port), MAIL)
    with pytest.raises(OSError, match="refused"):
        send(server(house.port), MAIL)
