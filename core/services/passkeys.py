"""AccessService's calls about passkeys."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, access_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import passkeys
from core.services.context import Services
from core.settings import CoreSettings

# ruff: noqa: N802 - the proto's names


class PasskeyCalls(access_pb2_grpc.AccessServiceServicer):
    """A part of AccessServicer."""

    _services: Services
    settings: CoreSettings

    @guarded_unary
    async def GetPasskey(self, request: access_pb2.GetPasskeyRequest, info: CallInfo, context: Any) -> Any:
        """Whether there is one."""
        return await passkeys.standing(self._services, await self._services.account(info))

    @guarded_unary
    async def BeginPasskeyRegistration(
        self, request: access_pb2.BeginPasskeyRegistrationRequest, info: CallInfo, context: Any
    ) -> Any:
        """Options to make one."""
        principal = await self._services.account(info)
        return await passkeys.begin_registration(self._services, principal, info, request.origin)

    @guarded_unary
    async def FinishPasskeyRegistration(
        self, request: access_pb2.FinishPasskeyRegistrationRequest, info: CallInfo, context: Any
    ) -> Any:
        """Keeps it."""
        await passkeys.finish_registration(self._services, await self._services.account(info), info, request)
        return access_pb2.FinishPasskeyRegistrationResponse()

    @guarded_unary
    async def RemovePasskey(self, request: access_pb2.RemovePasskeyRequest, info: CallInfo, context: Any) -> Any:
        """Forgets it."""
        await passkeys.remove_own(self._services, await self._services.account(info), info)
        return access_pb2.RemovePasskeyResponse()

    @guarded_unary
    async def BeginPasskeyLogin(
        self, request: access_pb2.BeginPasskeyLoginRequest, info: CallInfo, context: Any
    ) -> Any:
        """Options to sign in with."""
        return await passkeys.begin_login(self._services, request.origin)

    @guarded_unary
    async def FinishPasskeyLogin(
        self, request: access_pb2.FinishPasskeyLoginRequest, info: CallInfo, context: Any
    ) -> Any:
        """A session."""
        return await passkeys.finish_login(self._services, request, info)

    @guarded_unary
    async def BeginPasskeyVerification(
        self, request: access_pb2.BeginPasskeyVerificationRequest, info: CallInfo, context: Any
    ) -> Any:
        """Options to prove oneself with."""
        principal = await self._services.account(info)
        return await passkeys.begin_verification(self._services, principal, info, request.origin)

    @guarded_unary
    async def FinishPasskeyVerification(
        self, request: access_pb2.FinishPasskeyVerificationRequest, info: CallInfo, context: Any
    ) -> Any:
        """Proven."""
        return await passkeys.finish_verification(self._services, await self._services.account(info), info, request)
