"""Passkeys (WebAuthn): made and taken away by their owner, shown at sign-in and to prove the owner once more.

Each ceremony is two calls. The challenge of the first is kept, found by a secret that the caller brings back and,
but at sign-in, by the session it was made for: it is good once, for a few minutes, for nobody else.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import access_pb2

from core.errors import Conflict, InvalidRequest, RecordNotFound, SessionInvalid, Unauthenticated
from core.link.call import CallInfo
from core.manage import sessions
from core.manage.accounts import lower
from core.manage.relying_party import party_of
from core.manage.sign_in import signed_in, wait_for_code
from core.services.context import Services
from core.state.types import ENABLED, Principal
from core.store import proofs
from core.store.models import Passkey, User
from core.store.passkeys import NewPasskey

CHALLENGE_SECONDS = 300
SHOWN_SECONDS = 60
"""How long a passkey that was shown is good for Verify (New API's figure)."""
CREDENTIAL_MOST = 65_536
"""Characters of what a browser sends."""
ID_BYTES_MOST = 1023
"""Of a credential's id (WebAuthn, 4.)."""
REGISTER, LOGIN, VERIFY = "register", "login", "verify"
SYSTEM = 4
"""logs.type of what happens to an account (New API)."""


class WrongPasskey(Unauthenticated):
    """The passkey is not known, or what it signed is not what was asked."""

    reason = "WRONG_PASSKEY"
    code = "wrong_passkey"
    default_message = "The passkey was not recognised; begin again."


@dataclass(frozen=True, slots=True)
class Asked:
    """What the first call asked."""

    challenge: bytes
    rp_id: str
    origins: list[str]
    verified: bool
    """The device must have asked who holds it."""


def session_of(info: CallInfo) -> str:
    """The caller's session. Raises SessionInvalid for access tokens: a passkey is for people."""
    session = info.metadata.get("isthmus-session", "")
    if not session:
        raise SessionInvalid("Passkeys are for signed-in people: an access token will not do.")
    return session


def _subject(kind: str, ceremony: str, session: str) -> str:
    return f"{kind}\n{ceremony[:256]}\n{session}"


async def _keep(services: Services, kind: str, session: str, asked: Asked) -> str:
    """Keeps a challenge; the secret to bring back."""
    ceremony = secrets.token_urlsafe(32)
    detail = json.dumps(
        {
            "challenge": base64.b64encode(asked.challenge).decode(),
            "rp_id": asked.rp_id,
            "origins": asked.origins,
            "verified": asked.verified,
        }
    )
    await services.store.proofs.put(
        proofs.PASSKEY, _subject(kind, ceremony, session), CHALLENGE_SECONDS, 1, detail=detail
    )
    return ceremony


async def _asked(services: Services, kind: str, session: str, ceremony: str) -> Asked:
    """The challenge, spent. Raises WrongPasskey."""
    found = await services.store.proofs.spend(proofs.PASSKEY, _subject(kind, ceremony, session)) if ceremony else None
    if found is None:
        raise WrongPasskey("The passkey's challenge has ended; begin again.")
    held = json.loads(found.detail)
    return Asked(base64.b64decode(held["challenge"]), held["rp_id"], held["origins"], held["verified"])


def _credential(text: str) -> dict[str, Any]:
    """What a browser sent. Raises InvalidRequest."""
    if len(text) > CREDENTIAL_MOST:
        raise InvalidRequest("The credential is too long.", param="credential")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The credential is not JSON.", param="credential") from error
    if not isinstance(found, dict) or not isinstance(found.get("response"), dict):
        raise InvalidRequest("The credential must be an object with a response.", param="credential")
    return found


# -- made and taken away ------------------------------------------------------------------------


async def standing(services: Services, principal: Principal) -> access_pb2.GetPasskeyResponse:
    """Whether the account has one."""
    found = await services.store.passkeys.of(principal.account.id)
    return access_pb2.GetPasskeyResponse(
        enabled=found is not None, last_used_at=found.last_used_at if found is not None else 0
    )


async def _prove(services: Services, info: CallInfo, session: str, methods: tuple[str, ...]) -> None:
    """Raises VerificationRequired and its kin."""
    proof = info.metadata.get("isthmus-verification", "")
    sessions.check_verification(services.store.vault.session_key, session, proof, int(time.time()), methods)


async def begin_registration(
    services: Services, principal: Principal, info: CallInfo, origin: str
) -> access_pb2.BeginPasskeyRegistrationResponse:
    """What the browser makes a passkey from. Raises VerificationRequired where there is a second factor."""
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict, structs

    session = session_of(info)
    party = party_of(services.state.snapshot.options.raw, origin)
    user = await services.store.accounts.get(principal.account.id)
    if (await services.store.two_factor.standing(user.id)).enabled:
        await _prove(services, info, session, ("2fa",))
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=str(user.id).encode(),
        user_name=user.username,
        user_display_name=user.display_name or user.username,
        timeout=CHALLENGE_SECONDS * 1000,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            authenticator_attachment=structs.AuthenticatorAttachment(party.attachment) if party.attachment else None,
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=structs.UserVerificationRequirement(party.verification),
        ),
    )
    asked = Asked(options.challenge, party.id, list(party.origins), party.verification == "required")
    return access_pb2.BeginPasskeyRegistrationResponse(
        ceremony=await _keep(services, REGISTER, session, asked),
        options_json=json.dumps({"publicKey": options_to_json_dict(options)}),
    )


async def finish_registration(
    services: Services, principal: Principal, info: CallInfo, request: access_pb2.FinishPasskeyRegistrationRequest
) -> None:
    """Keeps the passkey instead of an older one. Raises WrongPasskey, InvalidRequest, Conflict."""
    from webauthn import verify_registration_response
    from webauthn.helpers.structs import CredentialDeviceType

    session = session_of(info)
    credential = _credential(request.credential_json)
    asked = await _asked(services, REGISTER, session, request.ceremony)
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origins,
            require_user_verification=asked.verified,
        )
    except Exception as error:
        # The library has many errors, and what is malformed raises others: all mean the same.
        raise WrongPasskey() from error
    if not 1 <= len(made.credential_id) <= ID_BYTES_MOST:
        raise WrongPasskey()
    kept = NewPasskey(
        raw_id=made.credential_id,
        credential_id=base64.b64encode(made.credential_id).decode(),
        public_key=base64.b64encode(made.credential_public_key).decode(),
        # The library says it is an enumeration; it is a text where the browser's word was taken over.
        attestation_type=str(getattr(made.fmt, "value", made.fmt))[:255],
        aa_guid=made.aaguid[:64],
        sign_count=made.sign_count,
        user_verified=made.user_verified,
        backup_eligible=made.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backup_state=made.credential_backed_up,
    )
    await services.store.passkeys.put(principal.account.id, kept)
    await _note(services, principal, info, "registered a passkey")


async def remove_own(services: Services, principal: Principal, info: CallInfo) -> None:
    """Forgets the caller's. Raises VerificationRequired, RecordNotFound."""
    session = session_of(info)
    enabled = (await services.store.two_factor.standing(principal.account.id)).enabled
    await _prove(services, info, session, ("2fa",) if enabled else ("passkey", "password"))
    if not await services.store.passkeys.remove(principal.account.id):
        raise RecordNotFound("The account has no passkey.")
    await _note(services, principal, info, "removed the passkey")


async def remove(services: Services, principal: Principal, account_id: int) -> None:
    """Takes it from a lower account. Raises RoleTooLow, RecordNotFound."""
    user = await lower(services, principal, account_id)
    if not await services.store.passkeys.remove(user.id):
        raise RecordNotFound("The account has no passkey.")


async def _note(services: Services, principal: Principal, info: CallInfo, content: str) -> None:
    account = principal.account
    await services.store.logs.add(SYSTEM, account.id, account.username, content, ip=info.client_address)


# -- shown ----------------------------------------------------------------------------------------


async def begin_login(services: Services, origin: str) -> access_pb2.BeginPasskeyLoginResponse:
    """What the browser signs with any passkey of this site."""
    asked, options = _request(services, origin, None)
    return access_pb2.BeginPasskeyLoginResponse(ceremony=await _keep(services, LOGIN, "", asked), options_json=options)


async def begin_verification(
    services: Services, principal: Principal, info: CallInfo, origin: str
) -> access_pb2.BeginPasskeyVerificationResponse:
    """What the browser signs with the caller's passkey. Raises Conflict where there is none."""
    session = session_of(info)
    held = await services.store.passkeys.of(principal.account.id)
    if held is None:
        raise Conflict("The account has no passkey.")
    # Where a second factor is in force, the device must be one of two, too.
    enabled = (await services.store.two_factor.standing(principal.account.id)).enabled
    asked, options = _request(services, origin, held, verified=enabled)
    return access_pb2.BeginPasskeyVerificationResponse(
        ceremony=await _keep(services, VERIFY, session, asked), options_json=options
    )


def _request(services: Services, origin: str, held: Passkey | None, *, verified: bool = False) -> tuple[Asked, str]:
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict, structs

    party = party_of(services.state.snapshot.options.raw, origin)
    verification = "required" if verified else party.verification
    allowed = None
    if held is not None:
        allowed = [structs.PublicKeyCredentialDescriptor(id=base64.b64decode(held.credential_id))]
    options = generate_authentication_options(
        rp_id=party.id,
        timeout=CHALLENGE_SECONDS * 1000,
        allow_credentials=allowed,
        user_verification=structs.UserVerificationRequirement(verification),
    )
    asked = Asked(options.challenge, party.id, list(party.origins), verification == "required")
    return asked, json.dumps({"publicKey": options_to_json_dict(options)})


async def finish_login(
    services: Services, request: access_pb2.FinishPasskeyLoginRequest, info: CallInfo
) -> access_pb2.FinishPasskeyLoginResponse:
    """A session; the second step's secret where there is a second factor and the device did not ask who holds it.

    Raises WrongPasskey, InvalidRequest; why a passkey is refused is not told.
    """
    credential = _credential(request.credential_json)
    asked = await _asked(services, LOGIN, "", request.ceremony)
    party_of(services.state.snapshot.options.raw, asked.origins[0])
    held = await services.store.passkeys.find(_raw_id(credential))
    if held is None:
        raise WrongPasskey()
    verified = await _check(services, held, credential, asked, named=True)
    try:
        user: User = await services.store.accounts.get(held.user_id)
    except RecordNotFound as error:
        raise WrongPasskey() from error
    if user.status != ENABLED:
        raise WrongPasskey()
    if not verified and (await services.store.two_factor.standing(user.id)).enabled:
        return access_pb2.FinishPasskeyLoginResponse(pending=await wait_for_code(services, user))
    account, session, ends = await signed_in(services, user, info, "passkey")
    return access_pb2.FinishPasskeyLoginResponse(account=account, session=session, expires_at=ends)


async def finish_verification(
    services: Services, principal: Principal, info: CallInfo, request: access_pb2.FinishPasskeyVerificationRequest
) -> access_pb2.FinishPasskeyVerificationResponse:
    """What Verify takes as code, once. Raises WrongPasskey, InvalidRequest."""
    session = session_of(info)
    credential = _credential(request.credential_json)
    asked = await _asked(services, VERIFY, session, request.ceremony)
    held = await services.store.passkeys.find(_raw_id(credential))
    if held is None or held.user_id != principal.account.id:
        raise WrongPasskey()
    await _check(services, held, credential, asked)
    proof = secrets.token_urlsafe(32)
    await services.store.proofs.put(proofs.PASSKEY_SHOWN, f"{proof}\n{session}", SHOWN_SECONDS, 1)
    return access_pb2.FinishPasskeyVerificationResponse(proof=proof, expires_at=int(time.time()) + SHOWN_SECONDS)


def _raw_id(credential: dict[str, Any]) -> bytes:
    try:
        return _bytes(credential["rawId"])
    except (KeyError, TypeError, ValueError) as error:
        raise WrongPasskey() from error


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


async def _check(
    services: Services, held: Passkey, credential: dict[str, Any], asked: Asked, *, named: bool = False
) -> bool:
    """Whether the device asked who holds it, where all else is right. Raises WrongPasskey.

    named: the passkey must say whose it is, as one that signs in without a name does.
    """
    from webauthn import verify_authentication_response

    handle = credential["response"].get("userHandle")
    try:
        if handle is None:
            if named:
                raise WrongPasskey()
        elif _bytes(handle) != str(held.user_id).encode():
            raise WrongPasskey()
        shown = verify_authentication_response(
            credential=credential,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origins,
            credential_public_key=base64.b64decode(held.public_key),
            credential_current_sign_count=held.sign_count,
            require_user_verification=asked.verified,
        )
    except WrongPasskey:
        raise
    except Exception as error:
        if "sign count" in str(error):
            # It went back: the library has no error of its own for it.
            await services.store.passkeys.suspect(held.id)
        raise WrongPasskey() from error
    if not await services.store.passkeys.used(
        held, shown.new_sign_count, shown.user_verified, shown.credential_backed_up
    ):
        raise WrongPasskey()
    return bool(shown.user_verified)
