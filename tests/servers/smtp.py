"""A small SMTP server (RFC 5321, 3207, 4954) that keeps what it is given, in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import email
import email.policy
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "smtp.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass
class Taken:
    """A mail as it came."""

    sender: str
    to: str
    message: EmailMessage
    encrypted: bool
    user: str

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass
class MailHouse:
    """The running server. Replies to some commands can be set: command -> line."""

    port: int = 0
    starttls: bool = False
    auth: str = "PLAIN LOGIN"
    password: str = "mail-pass"
    replies: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    context: ssl.SSLContext | None = None

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = writer.get_extra_info("ssl_object") is not None
        sender = to = user = ""

        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        async def hear() -> str:
            return (await reader.readuntil(b"\r\n")).decode().rstrip("\r\n")

        await say("220 house ready")
        while True:
            line = await hear()
            verb, _, rest = line.partition(" ")
            self.commands.append(verb.upper())
            if told := self.replies.get(verb.upper()):
                await say(told)
            elif verb.upper() == "EHLO":
                offers = [*(["STARTTLS"] if self.starttls and not encrypted else []), f"AUTH {self.auth}", "8BITMIME"]
                await say("\r\n".join(["250-house", *(f"250-{each}" for each in offers), "250 HELP"]))
            elif verb.upper() == "STARTTLS":
                await say("220 go on")
                await writer.start_tls(self.context)  # type: ignore[arg-type]
                encrypted = True
            elif verb.upper() == "AUTH":
                kind, _, first = rest.partition(" ")
                if kind == "PLAIN":
                    _, name, secret = base64.b64decode(first).decode().split("\0")
                else:
                    if not first:
                        await say("334 " + base64.b64encode(b"Username:").decode())
                        first = await hear()
                    name = base64.b64decode(first).decode()
                    await say("334 " + base64.b64encode(b"Password:").decode())
                    secret = base64.b64decode(await hear()).decode()
                if secret == self.password:
                    user = f"{kind} {name}"
                await say("235 welcome" if user else "535 no")
            elif verb.upper() == "MAIL":
                sender = rest.partition("<")[2].partition(">")[0]
                await say("250 ok")
            elif verb.upper() == "RCPT":
                to = rest.partition("<")[2].partition(">")[0]
                await say("250 ok")
            elif verb.upper() == "DATA":
                await say("354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                found = email.message_from_bytes(raw[:-3], policy=email.policy.default)
                assert isinstance(found, EmailMessage)
                self.taken.append(Taken(sender, to, found, encrypted, user))
                await say("250 taken")
            elif verb.upper() == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 ok")


@contextlib.contextmanager
def smtp(pem: Path | None = None, *, tls: bool = False, **fields: object) -> Iterator[MailHouse]:
    """A server for the time of the block. pem: its key and certificate; tls: from the first byte."""
    made = MailHouse(**fields)  # type: ignore[arg-type]
    if pem is not None:
        made.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.context.load_cert_chain(pem)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def open_server() -> asyncio.Server:
        return await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=made.context if tls else None)

    async def end(server: asyncio.Server) -> None:
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(open_server(), loop).result(10)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
