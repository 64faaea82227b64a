"""AccessService: who calls, sign-in, the first administrator."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2

from core.errors import RoleTooLow
from core.link.call import CallInfo, guarded_unary
from core.manage import accounts, audit, human, mailing, own, second_factor, sign_in
from core.options.table import PUBLIC
from core.pipeline.authenticate import require_role
from core.services.context import Services
from core.services.oauth import OAuthCalls
from core.services.passkeys import PasskeyCalls
from core.state.types import ROLE_ADMIN, ROLE_USER
from core.version import VERSION

# ruff: noqa: N802 - the proto's names


class AccessServicer(PasskeyCalls, OAuthCalls):
    """Thin: the work is in core/manage: own, sign_in, second_factor, mailing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def CheckKey(self, request: access_pb2.CheckKeyRequest, info: CallInfo, context: Any) -> Any:
        """Whether the key may be used."""
        principal = await self._services.either(info)
        key = principal.key
        return access_pb2.CheckKeyResponse(
            account_id=principal.account.id,
            key_id=key.id if key is not None else 0,
            ping_seconds=self._services.state.snapshot.options.ping_seconds,
            keeps_responses=self._services.state.snapshot.options.keep_responses,
            client_headers=self._services.state.snapshot.options.affinity.headers,
        )

    @guarded_unary
    async def GetStatus(self, request: access_pb2.GetStatusRequest, info: CallInfo, context: Any) -> Any:
        """The site."""
        raw = self._services.state.snapshot.options.raw
        return access_pb2.GetStatusResponse(
            set_up=await self._services.store.accounts.is_set_up(),
            options={name: raw[name] for name in PUBLIC},
            started=self._services.started,
            version=VERSION,
            database=self._services.store.database.kind,
            oauth_providers=[
                access_pb2.PublicOAuthProvider(
                    id=row.id,
                    name=row.name,
                    slug=row.slug,
                    icon=row.icon,
                    client_id=row.client_id,
                    authorization_endpoint=row.authorization_endpoint,
                    scopes=row.scopes,
                )
                for row in await self._services.store.oauth_providers.all()
                if row.enabled
            ],
        )

    @guarded_unary
    async def CheckAccount(self, request: access_pb2.CheckAccountRequest, info: CallInfo, context: Any) -> Any:
        """Who is signed in, and whether the role reaches."""
        principal = await self._services.account(info)
        try:
            require_role(principal, request.role or ROLE_USER)
        except RoleTooLow as error:
            if request.action and principal.account.role >= ROLE_ADMIN:
                await audit.note(
                    self._services, principal, info, "generic", {"route": request.action[:128]}, {}, error.reason
                )
            raise
        role = access_pb2.AccountRole.ValueType(principal.account.role)
        return access_pb2.CheckAccountResponse(account_id=principal.account.id, role=role)

    @guarded_unary
    async def SetUp(self, request: access_pb2.SetUpRequest, info: CallInfo, context: Any) -> Any:
        """The first administrator."""
        return access_pb2.SetUpResponse(account=await own.set_up(self._services, request))

    @guarded_unary
    async def Register(self, request: access_pb2.RegisterRequest, info: CallInfo, context: Any) -> Any:
        """A new account."""
        await human.check(self._services, request.turnstile, info.client_address)
        return access_pb2.RegisterResponse(account=await own.register(self._services, request))

    @guarded_unary
    async def Login(self, request: access_pb2.LoginRequest, info: CallInfo, context: Any) -> Any:
        """A session, or the way to it."""
        await human.check(self._services, request.turnstile, info.client_address)
        return await sign_in.login(self._services, request, info)

    @guarded_unary
    async def FinishLogin(self, request: access_pb2.FinishLoginRequest, info: CallInfo, context: Any) -> Any:
        """A session, by the second factor."""
        return await sign_in.finish(self._services, request, info)

    @guarded_unary
    async def Logout(self, request: access_pb2.LogoutRequest, info: CallInfo, context: Any) -> Any:
        """The caller's session, or all of them, end."""
        principal = await self._services.account(info)
        if request.everywhere:
            await second_factor.sessions_end(self._services, principal, info, everywhere=True)
        elif session := info.metadata.get("isthmus-session"):
            await own.end_session(self._services, principal, digest=self._services.store.sessions.digest(session))
        return access_pb2.LogoutResponse()

    @guarded_unary
    async def ListSessions(self, request: access_pb2.ListSessionsRequest, info: CallInfo, context: Any) -> Any:
        """The caller's."""
        return await own.open_sessions(self._services, await self._services.account(info), info)

    @guarded_unary
    async def EndSession(self, request: access_pb2.EndSessionRequest, info: CallInfo, context: Any) -> Any:
        """One of them."""
        await own.end_session(self._services, await self._services.account(info), request.id)
        return access_pb2.EndSessionResponse()

    @guarded_unary
    async def GetSelf(self, request: access_pb2.GetSelfRequest, info: CallInfo, context: Any) -> Any:
        """The caller."""
        principal = await self._services.account(info)
        user = await self._services.store.accounts.get(principal.account.id)
        return access_pb2.GetSelfResponse(account=await accounts.message(self._services, user, own=True))

    @guarded_unary
    async def UpdateSelf(self, request: access_pb2.UpdateSelfRequest, info: CallInfo, context: Any) -> Any:
        """Changes the caller's own account."""
        return await own.update(self._services, await self._services.account(info), info, request)

    @guarded_unary
    async def UpdateSettings(self, request: access_pb2.UpdateSettingsRequest, info: CallInfo, context: Any) -> Any:
        """Changes the caller's settings."""
        principal = await self._services.account(info)
        merged = await own.update_settings(self._services, principal, request.settings_json)
        return access_pb2.UpdateSettingsResponse(settings_json=merged)

    @guarded_unary
    async def DeleteSelf(self, request: access_pb2.DeleteSelfRequest, info: CallInfo, context: Any) -> Any:
        """Deletes the caller's own account."""
        await own.delete(self._services, await self._services.account(info))
        return access_pb2.DeleteSelfResponse()

    @guarded_unary
    async def Verify(self, request: access_pb2.VerifyRequest, info: CallInfo, context: Any) -> Any:
        """Proves the session's owner once more."""
        principal = await self._services.account(info)
        verification, ends = await sign_in.verify(self._services, principal, info, request)
        return access_pb2.VerifyResponse(verification=verification, expires_at=ends)

    @guarded_unary
    async def RotateAccessToken(
        self, request: access_pb2.RotateAccessTokenRequest, info: CallInfo, context: Any
    ) -> Any:
        """A new access token."""
        principal = await self._services.account(info)
        token = await own.rotate_access_token(self._services, principal)
        return access_pb2.RotateAccessTokenResponse(token=token)

    @guarded_unary
    async def GetTwoFactor(self, request: access_pb2.GetTwoFactorRequest, info: CallInfo, context: Any) -> Any:
        """The caller's second factor."""
        return await second_factor.standing(self._services, await self._services.account(info))

    @guarded_unary
    async def SetUpTwoFactor(self, request: access_pb2.SetUpTwoFactorRequest, info: CallInfo, context: Any) -> Any:
        """A secret and backup codes."""
        return await second_factor.set_up(self._services, await self._services.account(info))

    @guarded_unary
    async def EnableTwoFactor(self, request: access_pb2.EnableTwoFactorRequest, info: CallInfo, context: Any) -> Any:
        """Sign-ins ask for a code."""
        principal = await self._services.account(info)
        session = await second_factor.enable(self._services, principal, info, request.code)
        return access_pb2.EnableTwoFactorResponse(session=session)

    @guarded_unary
    async def DisableTwoFactor(self, request: access_pb2.DisableTwoFactorRequest, info: CallInfo, context: Any) -> Any:
        """Sign-ins ask for no code."""
        principal = await self._services.account(info)
        session = await second_factor.disable(self._services, principal, info, request.code)
        return access_pb2.DisableTwoFactorResponse(session=session)

    @guarded_unary
    async def RenewBackupCodes(self, request: access_pb2.RenewBackupCodesRequest, info: CallInfo, context: Any) -> Any:
        """New backup codes."""
        principal = await self._services.account(info)
        codes = await second_factor.renew_codes(self._services, principal, request.code)
        return access_pb2.RenewBackupCodesResponse(backup_codes=codes)

    @guarded_unary
    async def SendVerification(self, request: access_pb2.SendVerificationRequest, info: CallInfo, context: Any) -> Any:
        """A code by mail."""
        await human.check(self._services, request.turnstile, info.client_address)
        await mailing.send_code(self._services, request)
        return access_pb2.SendVerificationResponse()

    @guarded_unary
    async def BindEmail(self, request: access_pb2.BindEmailRequest, info: CallInfo, context: Any) -> Any:
        """The caller's address."""
        principal = await self._services.account(info)
        return access_pb2.BindEmailResponse(email=await mailing.bind(self._services, principal, request))

    @guarded_unary
    async def SendReset(self, request: access_pb2.SendResetRequest, info: CallInfo, context: Any) -> Any:
        """A link by mail."""
        await human.check(self._services, request.turnstile, info.client_address)
        await mailing.send_reset(self._services, request)
        return access_pb2.SendResetResponse()

    @guarded_unary
    async def ResetPassword(self, request: access_pb2.ResetPasswordRequest, info: CallInfo, context: Any) -> Any:
        """A new password."""
        return access_pb2.ResetPasswordResponse(password=await mailing.reset(self._services, request))
