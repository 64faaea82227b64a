"""Signing in at a provider: begun in a browser, ended in the same one; a new account where there is none.

A provider's word about a mail address never leads to an account: only its own id of the person does. Which account is
bound is decided when the sign-in begins, by the session of then, and must still hold when it ends.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import access_pb2

from core.errors import Conflict, Forbidden, InvalidRequest, IsthmusError, NotFound, RateLimited, RoleTooLow
from core.identity import policy, telegram
from core.identity.paths import text_at
from core.identity.provider import NAME_MOST, SUBJECT_MOST, Provider, built_in, custom
from core.identity.web import ProviderFailed
from core.link.call import CallInfo
from core.manage import fields, mailing
from core.manage.accounts import USERNAME_MOST, check_name
from core.manage.sign_in import signed_in
from core.options.kinds import TRUE
from core.services.context import Services
from core.state.types import ENABLED, ROLE_USER, Principal
from core.store import proofs
from core.store.models import User

STATE_SECONDS = 600
NAME_TRIES = 4
WECHAT_TRIES, WECHAT_SECONDS = 20, 300
"""Wrong codes from one address: they are short."""


class OAuthOff(Forbidden):
    """The provider is switched off, or the site is not set up for it."""

    reason = "OAUTH_OFF"
    default_message = "Signing in by this provider is switched off."


class ProviderUnknown(NotFound):
    """No provider has this name."""

    reason = "OAUTH_PROVIDER_UNKNOWN"
    http_status = 400
    default_message = "There is no such provider."


class StateWrong(Forbidden):
    """The sign-in was not begun here, by this browser, for this provider, a moment ago."""

    reason = "OAUTH_STATE"
    default_message = "The sign-in has ended, or was begun elsewhere; begin again."


class Denied(Forbidden):
    """The person may not come in."""

    reason = "OAUTH_DENIED"
    default_message = "You may not sign in by this provider."


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider said of somebody. email only where it says that it was proven."""

    subject: str
    username: str = ""
    display_name: str = ""
    email: str = ""


async def provider_of(services: Services, slug: str) -> Provider:
    """Raises ProviderUnknown, OAuthOff."""
    found = built_in(slug, services.state.snapshot.options.raw)
    if found is None:
        row = await services.store.oauth_providers.by_slug(slug) if 0 < len(slug) <= NAME_MOST else None
        if row is None:
            raise ProviderUnknown()
        found = custom(row)
    if not found.enabled or not found.client_id:
        raise OAuthOff()
    return found


def _site(services: Services) -> str:
    """Never what the request calls the host: codes go where this says. Raises OAuthOff."""
    site = services.state.snapshot.options.raw["ServerAddress"].strip().rstrip("/")
    if not site.startswith(("https://", "http://")):
        raise OAuthOff("The site's address (ServerAddress) is not set: providers could not send people back.")
    return site


# -- begun and ended -------------------------------------------------------------------------------


async def begin(
    services: Services, principal: Principal | None, request: access_pb2.BeginOAuthRequest
) -> access_pb2.BeginOAuthResponse:
    """A state for a sign-in; for somebody who is signed in: to bind. Raises ProviderUnknown, OAuthOff."""
    provider = await provider_of(services, request.provider) if request.provider else None
    state, secret, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(4))
    detail: dict[str, Any] = {"code": fields.text(request.invitation_code, "aff", 32)}
    if principal is not None:
        detail |= {"account": principal.account.id, "epoch": principal.account.session_epoch}
    response = access_pb2.BeginOAuthResponse(state=state, browser_secret=secret)
    if provider is not None:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        detail |= {"provider": provider.slug, "verifier": verifier, "nonce": nonce if provider.openid else ""}
        response.authorization_url = provider.authorization_url(_site(services), state, challenge, nonce)
    await services.store.proofs.put(proofs.OAUTH, f"{state}\n{secret}", STATE_SECONDS, 1, detail=json.dumps(detail))
    return response


async def complete(
    services: Services, request: access_pb2.CompleteOAuthRequest, principal: Principal | None, info: CallInfo
) -> access_pb2.CompleteOAuthResponse:
    """A session, or a binding. Raises StateWrong, ProviderFailed, Denied, Conflict, RoleTooLow, InvalidRequest."""
    provider = await provider_of(services, request.provider)
    kept = services.store.proofs
    subject = f"{request.state[:256]}\n{request.browser_secret[:256]}"
    begun = await kept.spend(proofs.OAUTH, subject) if request.state and request.browser_secret else None
    if begun is None:
        raise StateWrong()
    detail = json.loads(begun.detail)
    if detail.get("provider", provider.slug) != provider.slug:
        # A code of one provider must never be shown to another.
        raise StateWrong()
    if request.error:
        raise Denied(f"The provider refused: {_printable(request.error_description or request.error)}")
    told = await _ask(services, provider, fields.text(request.code, "code", 4096), detail, request.issuer[:512])
    account = int(detail.get("account", 0))
    if account:
        user = await services.store.accounts.get(account)
        if user.status != ENABLED or user.session_epoch != detail["epoch"]:
            raise StateWrong()
        if principal is not None and principal.account.id != account:
            raise StateWrong()
        await services.store.identities.bind(account, provider.key, told.subject)
        await _note(services, user, f"bound {provider.name}", info)
        return access_pb2.CompleteOAuthResponse(bound=True)
    if principal is not None:
        raise StateWrong("You are signed in already: sign out first, or begin anew to bind the provider.")
    return await _enter(services, provider.slug, provider.key, told, str(detail["code"]), info)


async def _ask(services: Services, provider: Provider, code: str, detail: dict[str, Any], issuer: str) -> Told:
    """Who the code's owner is. Raises ProviderFailed, Denied."""
    if not code:
        raise InvalidRequest("The provider sent no code.", param="code")
    raw = services.state.snapshot.options.raw
    form = {"grant_type": "authorization_code", "code": code}
    if provider.tells_callback or detail.get("verifier"):
        form["redirect_uri"] = provider.redirect_uri(_site(services))
    if detail.get("verifier"):
        form["code_verifier"] = detail["verifier"]
    tokens = await services.web.tokens(provider, form)
    claims: dict[str, Any] = {}
    if provider.openid or (provider.well_known and tokens["id_token"]):
        claims = await services.web.claims(provider, raw, tokens["id_token"], str(detail.get("nonce", "")), issuer)
    person = await services.web.person(provider, tokens["access_token"])
    if claims and person.get("sub", claims["sub"]) != claims["sub"]:
        # OpenID Connect Core, 5.3.2: the answer is about somebody else.
        raise ProviderFailed()
    return read(provider, person)


def read(provider: Provider, person: dict[str, Any]) -> Told:
    """Where in a provider's answer somebody is. Raises ProviderFailed without an id, Denied by the policy."""
    subject = text_at(person, provider.fields.subject, SUBJECT_MOST)
    if not subject or subject == "0" or subject != subject.strip():
        raise ProviderFailed("The provider did not say who you are.")
    rules = policy.parse(provider.policy)
    if rules is not None and not policy.allows(rules, person):
        raise Denied(provider.denied)
    proven = not provider.fields.verified or _true_at(person, provider.fields.verified)
    return Told(
        subject,
        text_at(person, provider.fields.username, 191),
        text_at(person, provider.fields.display_name, NAME_MOST),
        text_at(person, provider.fields.email, mailing.ADDRESS_MOST) if proven else "",
    )


def _true_at(person: dict[str, Any], path: str) -> bool:
    found = person.get(path)
    return found is True or found == "true"


def _printable(text: str) -> str:
    return "".join(char for char in text[:200] if char.isprintable())


# -- in -----------------------------------------------------------------------------------------------


async def _enter(
    services: Services, slug: str, key: str, told: Told, invitation: str, info: CallInfo
) -> access_pb2.CompleteOAuthResponse:
    """A session for the person's account, which is made where there is none and registration is open."""
    owner = await services.store.identities.owner(key, told.subject)
    if not owner:
        owner = (await _register(services, slug, key, told, invitation)).id
    try:
        user = await services.store.accounts.get(owner)
    except NotFound as error:
        raise Denied("The account was deleted.") from error
    if user.status != ENABLED:
        raise Denied("The account is disabled.")
    account, session, ends = await signed_in(services, user, info, slug)
    return access_pb2.CompleteOAuthResponse(account=account, session=session, expires_at=ends)


async def _register(services: Services, slug: str, key: str, told: Told, invitation: str) -> User:
    """A new account without a password. Raises RoleTooLow, InvalidRequest, Conflict."""
    options = services.state.snapshot.options
    raw = options.raw
    if raw["RegisterEnabled"] != TRUE:
        raise RoleTooLow("Registration is closed.")
    if not await services.store.accounts.is_set_up():
        raise RoleTooLow("The first administrator comes first.")
    email = await _address(services, told.email)
    inviter = await services.store.accounts.by_invitation(invitation) if invitation else None
    columns = {
        "display_name": told.display_name or told.username[:NAME_MOST] or slug,
        "email": email,
        "inviter_id": inviter.id if inviter is not None else 0,
    }
    granted = options.quota_for_new_user + (int(raw["QuotaForInvitee"]) if inviter is not None else 0)
    for number in range(NAME_TRIES):
        name = await _name(services, slug, told.username, number)
        try:
            user = await services.store.accounts.create(
                name,
                "",
                ROLE_USER,
                granted,
                inviter_quota=int(raw["QuotaForInviter"]),
                identity=(key, told.subject),
                **columns,
            )
        except Conflict:
            # The name was taken meanwhile, or the same person came twice at once.
            owner = await services.store.identities.owner(key, told.subject)
            if owner:
                return await services.store.accounts.get(owner)
            continue
        await services.state.refresh()
        return user
    raise Conflict("No name was found for the account; try again.")


async def _name(services: Services, slug: str, wanted: str, number: int) -> str:
    """The provider's name for somebody where it is free here, else one that is made up."""
    if number == 0 and "@" not in wanted:
        try:
            name = check_name(wanted)
            if await services.store.accounts.find_by_name(name) is None:
                return name
        except IsthmusError:
            pass
    tail = str(await services.store.accounts.newest_id() + 1) if number < 2 else secrets.token_hex(4)
    return f"{slug[: USERNAME_MOST - len(tail) - 1]}_{tail}"


async def _address(services: Services, email: str) -> str:
    """The proven address where it is free; "" else. Raises InvalidRequest by the site's rules."""
    raw = services.state.snapshot.options.raw
    needed = raw["EmailVerificationEnabled"] == TRUE and raw["EmailDomainRestrictionEnabled"] == TRUE
    try:
        address = mailing.normal(email) if email else ""
    except InvalidRequest:
        address = ""
    if not address:
        if needed:
            raise InvalidRequest("This site wants a proven mail address, and the provider told none.", param="email")
        return ""
    mailing.check_rules(address, raw)
    taken = await services.store.accounts.find_by_mail(address) is not None
    # Whose it is already keeps it, and the new account is not his.
    return "" if taken else address


async def _note(services: Services, user: User, content: str, info: CallInfo) -> None:
    await services.store.logs.add(4, user.id, user.username, content, ip=info.client_address)


# -- Telegram, WeChat ---------------------------------------------------------------------------------


async def by_telegram(
    services: Services, request: access_pb2.SignInWithTelegramRequest, principal: Principal | None, info: CallInfo
) -> access_pb2.SignInWithTelegramResponse:
    """By the widget's signed fields, each good once: a session for who bound it, or a binding."""
    raw = services.state.snapshot.options.raw
    if raw["TelegramOAuthEnabled"] != TRUE:
        raise OAuthOff()
    try:
        person = telegram.check(request.fields, raw["TelegramBotToken"], time.time())
    except telegram.Forged as forged:
        raise Denied(str(forged)) from forged
    once = "telegram:" + request.fields["hash"].lower()
    if not await services.store.proofs.allow({once: 1}, telegram.AGE_SECONDS + telegram.AHEAD_SECONDS):
        raise Denied("The signature was used before.")
    if request.bind:
        await _bind(services, principal, "telegram", "Telegram", person, info)
        return access_pb2.SignInWithTelegramResponse()
    if not await services.store.identities.owner("telegram", person):
        raise Denied("No account is bound to this Telegram account; sign in and bind it first.")
    found = await _enter(services, "telegram", "telegram", Told(person), "", info)
    return access_pb2.SignInWithTelegramResponse(
        account=found.account, session=found.session, expires_at=found.expires_at
    )


async def by_wechat(
    services: Services, request: access_pb2.SignInWithWeChatRequest, principal: Principal | None, info: CallInfo
) -> access_pb2.SignInWithWeChatResponse:
    """By the code the WeChat server gave: a session, or a binding."""
    raw = services.state.snapshot.options.raw
    if raw["WeChatAuthEnabled"] != TRUE or not raw["WeChatServerAddress"]:
        raise OAuthOff()
    code = fields.text(request.code.strip(), "code", 64)
    if not code:
        raise InvalidRequest("A code is wanted.", param="code")
    if not await services.store.proofs.allow({f"wechat:{info.client_address}": WECHAT_TRIES}, WECHAT_SECONDS):
        raise RateLimited("Too many codes; try again later.", retry_after_ms=WECHAT_SECONDS * 1000)
    person = await services.web.wechat(raw["WeChatServerAddress"], raw["WeChatServerToken"], code)
    if not 0 < len(person) <= SUBJECT_MOST or not person.isprintable() or person != person.strip():
        raise Denied("The code is wrong or too old.")
    if request.bind:
        await _bind(services, principal, "wechat", "WeChat", person, info)
        return access_pb2.SignInWithWeChatResponse()
    told = Told(person, display_name="WeChat User")
    found = await _enter(services, "wechat", "wechat", told, request.invitation_code[:32], info)
    return access_pb2.SignInWithWeChatResponse(
        account=found.account, session=found.session, expires_at=found.expires_at
    )


async def _bind(
    services: Services, principal: Principal | None, key: str, name: str, person: str, info: CallInfo
) -> None:
    if principal is None:
        raise StateWrong("Sign in first.")
    await services.store.identities.bind(principal.account.id, key, person)
    await _note(services, await services.store.accounts.get(principal.account.id), f"bound {name}", info)


async def caller_of(services: Services, info: CallInfo) -> Principal | None:
    """Whoever has a session; None for nobody. Raises SessionInvalid for a session that ended."""
    return await services.account(info) if info.metadata.get("isthmus-session") else None
