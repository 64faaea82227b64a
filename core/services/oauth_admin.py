"""AdminService's calls about providers, other accounts' bindings, and what an import brought."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2, admin_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import bindings, console_settings, oauth_providers
from core.manage.audit import acting
from core.services.context import Services
from core.settings import CoreSettings
from core.state.types import ROLE_ADMIN, ROLE_ROOT

# ruff: noqa: N802 - the proto's names


class OAuthAdminCalls(admin_pb2_grpc.AdminServiceServicer):
    """A part of AdminServicer."""

    _services: Services
    settings: CoreSettings

    @guarded_unary
    async def ListAccountBindings(
        self, request: admin_pb2.ListAccountBindingsRequest, info: CallInfo, context: Any
    ) -> Any:
        """A lower account's."""
        principal = await self._services.account(info, ROLE_ADMIN)
        found = await bindings.of_lower(self._services, principal, request.id)
        return admin_pb2.ListAccountBindingsResponse(bindings=found)

    @guarded_unary
    async def RemoveAccountBinding(
        self, request: admin_pb2.RemoveAccountBindingRequest, info: CallInfo, context: Any
    ) -> Any:
        """Ends one of a lower account's."""
        params = {"id": request.id, "kind": request.kind[:32]}
        async with acting(self._services, info, ROLE_ADMIN, "user.unbind", **params) as principal:
            await bindings.remove(self._services, principal, request.id, request.kind)
            return admin_pb2.RemoveAccountBindingResponse()

    @guarded_unary
    async def MigrateConsoleSettings(
        self, request: admin_pb2.MigrateConsoleSettingsRequest, info: CallInfo, context: Any
    ) -> Any:
        """Old consoles' options to where they are read."""
        async with acting(self._services, info, ROLE_ROOT, "option.migrate_console"):
            await console_settings.move(self._services)
            return admin_pb2.MigrateConsoleSettingsResponse()

    @guarded_unary
    async def ListOAuthProviders(
        self, request: admin_pb2.ListOAuthProvidersRequest, info: CallInfo, context: Any
    ) -> Any:
        """All."""
        await self._services.account(info, ROLE_ROOT)
        rows = await self._services.store.oauth_providers.all()
        return admin_pb2.ListOAuthProvidersResponse(providers=[oauth_providers.message(row) for row in rows])

    @guarded_unary
    async def GetOAuthProvider(self, request: admin_pb2.GetOAuthProviderRequest, info: CallInfo, context: Any) -> Any:
        """One."""
        await self._services.account(info, ROLE_ROOT)
        row = await self._services.store.oauth_providers.get(request.id)
        return admin_pb2.GetOAuthProviderResponse(provider=oauth_providers.message(row))

    @guarded_unary
    async def CreateOAuthProvider(
        self, request: admin_pb2.CreateOAuthProviderRequest, info: CallInfo, context: Any
    ) -> Any:
        """A new one."""
        async with acting(self._services, info, ROLE_ROOT, "oauth_provider.create", slug=request.provider.slug[:64]):
            made = await oauth_providers.create(self._services, request)
            return admin_pb2.CreateOAuthProviderResponse(provider=made)

    @guarded_unary
    async def UpdateOAuthProvider(
        self, request: admin_pb2.UpdateOAuthProviderRequest, info: CallInfo, context: Any
    ) -> Any:
        """Changes one."""
        params = {"id": request.provider.id, "fields": sorted(name[:64] for name in request.fields)[:50]}
        async with acting(self._services, info, ROLE_ROOT, "oauth_provider.update", **params):
            made = await oauth_providers.update(self._services, request)
            return admin_pb2.UpdateOAuthProviderResponse(provider=made)

    @guarded_unary
    async def DeleteOAuthProvider(
        self, request: admin_pb2.DeleteOAuthProviderRequest, info: CallInfo, context: Any
    ) -> Any:
        """Deletes one."""
        async with acting(self._services, info, ROLE_ROOT, "oauth_provider.delete", id=request.id):
            await self._services.store.oauth_providers.delete(request.id)
            return admin_pb2.DeleteOAuthProviderResponse()

    @guarded_unary
    async def DiscoverOAuthProvider(
        self, request: admin_pb2.DiscoverOAuthProviderRequest, info: CallInfo, context: Any
    ) -> Any:
        """Fetches a discovery document."""
        async with acting(self._services, info, ROLE_ROOT, "oauth_provider.discover"):
            url, found = await oauth_providers.discover(self._services, request)
            return admin_pb2.DiscoverOAuthProviderResponse(well_known_url=url, discovery_json=found)
