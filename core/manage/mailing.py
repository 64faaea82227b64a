"""What is done by mail: codes that prove an address, resetting a password, binding an address.

Nobody learns here which addresses have an account: answers and their time are the same, what differs is
found out behind the request and told in the mail alone.
"""

from __future__ import annotations

import functools
import re
import secrets
import string
from collections.abc import Mapping
from urllib.parse import urlencode

from isthmus.v1 import access_pb2

from core.errors import Conflict, Forbidden, InvalidRequest, RateLimited, RecordNotFound
from core.mail.mailer import Prepare
from core.mail.smtp import Mail, MailServer
from core.manage import sessions
from core.services.context import Services
from core.state.types import ENABLED, Principal
from core.store import proofs
from core.store.passwords import hash_password

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
ADDRESS_MOST = 191
CODE_SECONDS = 600
"""How long codes and links stand (New API's figure)."""
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""None that is taken for another."""
CODE_LENGTH = 6
CODE_TRIES = 5
TOKEN_TRIES = 100
"""A link's token cannot be guessed; tries must not let anybody end another's link."""
PASSWORD_LENGTH = 12
"""Of a password that was reset (New API's figure)."""
MAILS_MOST, MAILS_SECONDS = 5, 3600
"""Mails to one address, whoever asks for them."""


class MailNotSetUp(Forbidden):
    """No mail server is set: nothing can be sent."""

    reason = "MAIL_NOT_SET_UP"
    default_message = "This site sends no mail."


def normal(text: str) -> str:
    """The address in lower case. Raises InvalidRequest where it is none."""
    found = text.strip()
    local = found.partition("@")[0]
    if len(found) > ADDRESS_MOST or not ADDRESS.fullmatch(found):
        raise InvalidRequest("This is no mail address.", param="email")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise InvalidRequest("This is no mail address.", param="email")
    return found.lower()


def check_rules(address: str, raw: Mapping[str, str]) -> None:
    """Whether the site takes this address. Raises InvalidRequest."""
    local, _, domain = address.partition("@")
    if raw["EmailDomainRestrictionEnabled"] == "true":
        taken = {each.strip().lower() for each in raw["EmailDomainWhitelist"].split(",")}
        if domain not in taken:
            raise InvalidRequest("Addresses of this domain are not taken here.", param="email")
    if raw["EmailAliasRestrictionEnabled"] == "true" and ("+" in local or "." in local):
        raise InvalidRequest("Addresses with + or . before the @ are not taken here.", param="email")


def server_of(services: Services) -> MailServer:
    """The mail server. Raises MailNotSetUp."""
    found = MailServer.of(services.state.snapshot.options.raw)
    if found is None:
        raise MailNotSetUp()
    return found


async def _post(services: Services, address: str, prepare: Prepare) -> None:
    """Counts a mail to the address, and leaves the rest to the mailer. Raises MailNotSetUp, RateLimited, Overloaded."""
    server = server_of(services)
    if not await services.store.proofs.allow({"mail:" + address: MAILS_MOST}, MAILS_SECONDS):
        raise RateLimited("Too many mails to this address; try again later.", retry_after_ms=MAILS_SECONDS * 1000)
    services.mailer.post(server, prepare)


# -- an address is somebody's -----------------------------------------------------------------


async def send_code(services: Services, request: access_pb2.SendVerificationRequest) -> None:
    """Mails a code; word of the account, where there is one. Raises InvalidRequest, RateLimited, MailNotSetUp."""
    address = normal(request.email)
    check_rules(address, services.state.snapshot.options.raw)
    await _post(services, address, functools.partial(_code_mail, services, address))


async def _code_mail(services: Services, address: str) -> Mail:
    site = _site(services)
    if await services.store.accounts.find_by_mail(address) is not None:
        return Mail(
            address,
            f"{site}: you have an account already",
            f"Somebody, perhaps you, wanted to use this address at {site}. It belongs to an account already:\n"
            "sign in with it, or reset its password. If it was not you, nothing needs to be done.\n",
        )
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    await services.store.proofs.put(proofs.ADDRESS, address, CODE_SECONDS, CODE_TRIES, code=code)
    return Mail(
        address,
        f"{site}: your code",
        f"Your code is {code}\n\nIt is good for {CODE_SECONDS // 60} minutes. If you did not ask for it, nothing needs"
        " to be done.\n",
    )


async def prove(services: Services, email: str, code: str) -> str:
    """The address that a code proves; the code is spent. Raises InvalidRequest, Conflict."""
    address = normal(email)
    check_rules(address, services.state.snapshot.options.raw)
    tried = "".join(code[:64].upper().split())
    if not tried or await services.store.proofs.spend(proofs.ADDRESS, address, tried) is None:
        raise InvalidRequest("The code is wrong or too old; ask for another.", param="verification_code")
    if await services.store.accounts.find_by_mail(address) is not None:
        # Only who reads the address's mail gets here.
        raise Conflict("The address belongs to an account already.", param="email")
    return address


async def bind(services: Services, principal: Principal, request: access_pb2.BindEmailRequest) -> str:
    """Sets the caller's address; the old one is told. Raises InvalidRequest, Conflict."""
    address = await prove(services, request.email, request.code)
    user = await services.store.accounts.get(principal.account.id)
    old = user.email
    await services.store.accounts.update(user.id, email=address)
    await services.state.refresh()
    server = MailServer.of(services.state.snapshot.options.raw)
    if old and server is not None and ADDRESS.fullmatch(old):
        services.mailer.post(server, functools.partial(_moved_mail, services, old, user.username))
    return address


async def _moved_mail(services: Services, address: str, name: str) -> Mail:
    site = _site(services)
    return Mail(
        address,
        f"{site}: another mail address",
        f"The account {name} at {site} has another mail address now. If it was not you, change the password.\n",
    )


# -- a forgotten password ---------------------------------------------------------------------


async def send_reset(services: Services, request: access_pb2.SendResetRequest) -> None:
    """Mails a link, if there is an account; not told. Raises InvalidRequest, RateLimited, MailNotSetUp."""
    address = normal(request.email)
    base = services.state.snapshot.options.raw["ServerAddress"].strip().rstrip("/")
    if not base:
        # Never the host that the request names: whoever asks would choose where the token goes.
        raise MailNotSetUp("The site's address (ServerAddress) is not set: the link would lead nowhere.")
    await _post(services, address, functools.partial(_reset_mail, services, address, base))


async def _reset_mail(services: Services, address: str, base: str) -> Mail | None:
    user = await services.store.accounts.find_by_mail(address)
    if user is None or user.status != ENABLED:
        return None
    token = secrets.token_urlsafe(32)
    await services.store.proofs.put(
        proofs.RESET, address, CODE_SECONDS, TOKEN_TRIES, code=token, account_id=user.id, detail=str(user.session_epoch)
    )
    link = f"{base}/user/reset?{urlencode({'email': address, 'token': token})}"
    site = _site(services)
    return Mail(
        user.email,
        f"{site}: a new password",
        f"Follow this link to get a new password for {user.username} at {site}:\n\n{link}\n\n"
        f"It is good once, for {CODE_SECONDS // 60} minutes. If you did not ask for it, nothing needs to be done.\n",
    )


async def reset(services: Services, request: access_pb2.ResetPasswordRequest) -> str:
    """A new password; every session ends. Raises InvalidRequest, whatever is wrong."""
    wrong = InvalidRequest("The link is wrong, was used, or is too old.", param="token")
    address = normal(request.email)
    shown = await services.store.proofs.spend(proofs.RESET, address, request.token[:256]) if request.token else None
    if shown is None:
        raise wrong
    try:
        user = await services.store.accounts.get(shown.account_id)
    except RecordNotFound as error:
        raise wrong from error
    if user.status != ENABLED or str(user.session_epoch) != shown.detail or user.email.lower() != address:
        raise wrong
    password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))
    epoch = sessions.next_epoch(user.session_epoch)
    await services.store.accounts.update(user.id, password=await hash_password(password), session_epoch=epoch)
    await services.state.refresh()
    return password


def _site(services: Services) -> str:
    return " ".join(services.state.snapshot.options.raw["SystemName"].split())[:64] or "Isthmus"
