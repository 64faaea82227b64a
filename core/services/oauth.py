"""AccessService's calls about providers: OAuth, Telegram, WeChat, and bindings."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, access_pb2_grpc

from core.errors import Unauthenticated
from core.link.call import CallInfo, guarded_unary
from core.manage import bindings, oauth
from core.services.context import Services
from core.settings import CoreSettings
from core.state.types import Principal

# ruff: noqa: N802 - the proto's names


class OAuthCalls(access_pb2_grpc.AccessServiceServicer):
    """A part of AccessServicer."""

    _services: Services
    settings: CoreSettings

    async def _visitor(self, info: CallInfo) -> Principal | None:
        """Whoever has a session that still stands; an old one in the browser must not keep anybody out."""
        try:
            return await oauth.caller_of(self._services, info)
        except Unauthenticated:
            return None

    @guarded_unary
    async def BeginOAuth(self, request: access_pb2.BeginOAuthRequest, info: CallInfo, context: Any) -> Any:
        """A state."""
        return await oauth.begin(self._services, await self._visitor(info), request)

    @guarded_unary
    async def CompleteOAuth(self, request: access_pb2.CompleteOAuthRequest, info: CallInfo, context: Any) -> Any:
        """A session, or a binding."""
        return await oauth.complete(self._services, request, await self._visitor(info), info)

    @guarded_unary
    async def SignInWithTelegram(
        self, request: access_pb2.SignInWithTelegramRequest, info: CallInfo, context: Any
    ) -> Any:
        """A session, or a binding."""
        return await oauth.by_telegram(self._services, request, await self._visitor(info), info)

    @guarded_unary
    async def SignInWithWeChat(self, request: access_pb2.SignInWithWeChatRequest, info: CallInfo, context: Any) -> Any:
        """A session, or a binding."""
        return await oauth.by_wechat(self._services, request, await self._visitor(info), info)

    @guarded_unary
    async def ListBindings(self, request: access_pb2.ListBindingsRequest, info: CallInfo, context: Any) -> Any:
        """The caller's."""
        principal = await self._services.account(info)
        return access_pb2.ListBindingsResponse(bindings=await bindings.listed(self._services, principal.account.id))

    @guarded_unary
    async def RemoveBinding(self, request: access_pb2.RemoveBindingRequest, info: CallInfo, context: Any) -> Any:
        """Ends one of the caller's."""
        await bindings.remove_own(self._services, await self._services.account(info), request.provider_id)
        return access_pb2.RemoveBindingResponse()
