"""AdminService: accounts, keys, channels, options, logs."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2, admin_pb2_grpc, common_pb2

from core.link.call import CallInfo, guarded_unary
from core.manage import accounts, channels, keys, logs
from core.services.context import Services
from core.state.options import is_secret, validate
from core.state.types import ROLE_ADMIN, ROLE_ROOT

# ruff: noqa: N802 - the proto's names


def _page(request: Any, total: int) -> common_pb2.PageInfo:
    number, size, _ = logs.paging(request.page)
    return common_pb2.PageInfo(page=number, page_size=size, total=total)


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Thin: the work is in core/manage."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def ListAccounts(self, request: admin_pb2.ListAccountsRequest, info: CallInfo, context: Any) -> Any:
        """Accounts."""
        await self._services.account(info, ROLE_ADMIN)
        _, size, offset = logs.paging(request.page)
        rows, total = await self._services.store.accounts.list(request.keyword, request.group, offset, size)
        told = await accounts.messages(self._services, rows)
        return admin_pb2.ListAccountsResponse(accounts=told, page=_page(request, total))

    @guarded_unary
    async def GetAccount(self, request: admin_pb2.GetAccountRequest, info: CallInfo, context: Any) -> Any:
        """One account."""
        principal = await self._services.account(info, ROLE_ADMIN)
        user = await accounts.lower(self._services, principal, request.id)
        return admin_pb2.GetAccountResponse(account=await accounts.message(self._services, user))

    @guarded_unary
    async def CreateAccount(self, request: admin_pb2.CreateAccountRequest, info: CallInfo, context: Any) -> Any:
        """A new account."""
        principal = await self._services.account(info, ROLE_ADMIN)
        return admin_pb2.CreateAccountResponse(account=await accounts.create(self._services, principal, request))

    @guarded_unary
    async def UpdateAccount(self, request: admin_pb2.UpdateAccountRequest, info: CallInfo, context: Any) -> Any:
        """Changes an account."""
        principal = await self._services.account(info, ROLE_ADMIN)
        return admin_pb2.UpdateAccountResponse(account=await accounts.update(self._services, principal, request))

    @guarded_unary
    async def ManageAccount(self, request: admin_pb2.ManageAccountRequest, info: CallInfo, context: Any) -> Any:
        """Disables, enables, promotes, demotes, deletes, or changes quota."""
        principal = await self._services.account(info, ROLE_ADMIN)
        account = await accounts.manage(self._services, principal, request)
        return admin_pb2.ManageAccountResponse(account=account)

    @guarded_unary
    async def ListKeys(self, request: admin_pb2.ListKeysRequest, info: CallInfo, context: Any) -> Any:
        """The caller's keys."""
        principal = await self._services.account(info)
        _, size, offset = logs.paging(request.page)
        rows, total = await self._services.store.keys.list(
            principal.account.id, request.keyword, request.secret, offset, size
        )
        told = await keys.messages(self._services, rows)
        return admin_pb2.ListKeysResponse(keys=told, page=_page(request, total))

    @guarded_unary
    async def GetKey(self, request: admin_pb2.GetKeyRequest, info: CallInfo, context: Any) -> Any:
        """One of the caller's keys."""
        principal = await self._services.account(info)
        token = await self._services.store.keys.get(request.id, principal.account.id)
        return admin_pb2.GetKeyResponse(key=(await keys.messages(self._services, [token]))[0])

    @guarded_unary
    async def CreateKey(self, request: admin_pb2.CreateKeyRequest, info: CallInfo, context: Any) -> Any:
        """A new key."""
        principal = await self._services.account(info)
        key, secret = await keys.create(self._services, principal, request.key)
        return admin_pb2.CreateKeyResponse(key=key, secret=secret)

    @guarded_unary
    async def UpdateKey(self, request: admin_pb2.UpdateKeyRequest, info: CallInfo, context: Any) -> Any:
        """Changes a key."""
        principal = await self._services.account(info)
        return admin_pb2.UpdateKeyResponse(
            key=await keys.update(self._services, principal, request.key, request.status_only)
        )

    @guarded_unary
    async def DeleteKeys(self, request: admin_pb2.DeleteKeysRequest, info: CallInfo, context: Any) -> Any:
        """Deletes keys."""
        principal = await self._services.account(info)
        count = await self._services.store.keys.delete(list(request.ids)[:1000], principal.account.id)
        await self._services.state.refresh()
        return admin_pb2.DeleteKeysResponse(deleted=count)

    @guarded_unary
    async def RevealKey(self, request: admin_pb2.RevealKeyRequest, info: CallInfo, context: Any) -> Any:
        """A key's secret."""
        principal = await self._services.account(info)
        token = await self._services.store.keys.get(request.id, principal.account.id)
        return admin_pb2.RevealKeyResponse(secret=self._services.store.keys.reveal(token))

    @guarded_unary
    async def ListChannels(self, request: admin_pb2.ListChannelsRequest, info: CallInfo, context: Any) -> Any:
        """Channels."""
        await self._services.account(info, ROLE_ADMIN)
        _, size, offset = logs.paging(request.page)
        rows, total, counts = await self._services.store.channels.list(
            request.keyword,
            request.group,
            request.model,
            request.status,
            request.type,
            request.id_sort,
            offset,
            size,
        )
        told = [channels.message(row) for row in rows]
        return admin_pb2.ListChannelsResponse(channels=told, page=_page(request, total), type_counts=counts)

    @guarded_unary
    async def GetChannel(self, request: admin_pb2.GetChannelRequest, info: CallInfo, context: Any) -> Any:
        """One channel."""
        await self._services.account(info, ROLE_ADMIN)
        row = await self._services.store.channels.get(request.id)
        return admin_pb2.GetChannelResponse(channel=channels.message(row))

    @guarded_unary
    async def CreateChannels(self, request: admin_pb2.CreateChannelsRequest, info: CallInfo, context: Any) -> Any:
        """New channels."""
        await self._services.account(info, ROLE_ADMIN)
        return admin_pb2.CreateChannelsResponse(channels=await channels.create(self._services, request))

    @guarded_unary
    async def UpdateChannel(self, request: admin_pb2.UpdateChannelRequest, info: CallInfo, context: Any) -> Any:
        """Changes a channel."""
        await self._services.account(info, ROLE_ADMIN)
        return admin_pb2.UpdateChannelResponse(channel=await channels.update(self._services, request))

    @guarded_unary
    async def DeleteChannels(self, request: admin_pb2.DeleteChannelsRequest, info: CallInfo, context: Any) -> Any:
        """Deletes channels."""
        await self._services.account(info, ROLE_ADMIN)
        count = await self._services.store.channels.delete(list(request.ids)[:1000])
        await self._services.state.refresh()
        return admin_pb2.DeleteChannelsResponse(deleted=count)

    @guarded_unary
    async def TestChannel(self, request: admin_pb2.TestChannelRequest, info: CallInfo, context: Any) -> Any:
        """A small request through a channel."""
        await self._services.account(info, ROLE_ADMIN)
        return await self._services.tester(request.id, request.model, request.stream)

    @guarded_unary
    async def ListOptions(self, request: admin_pb2.ListOptionsRequest, info: CallInfo, context: Any) -> Any:
        """Options, secrets left out."""
        await self._services.account(info, ROLE_ROOT)
        raw = self._services.state.snapshot.options.raw
        return admin_pb2.ListOptionsResponse(
            options={name: value for name, value in raw.items() if not is_secret(name)}
        )

    @guarded_unary
    async def SetOptions(self, request: admin_pb2.SetOptionsRequest, info: CallInfo, context: Any) -> Any:
        """Sets options, all or none."""
        await self._services.account(info, ROLE_ROOT)
        for name, value in request.options.items():
            validate(name, value)
        await self._services.store.options.set_many(request.options)
        await self._services.state.refresh()
        return admin_pb2.SetOptionsResponse()

    @guarded_unary
    async def ListLogs(self, request: admin_pb2.ListLogsRequest, info: CallInfo, context: Any) -> Any:
        """Logs."""
        if request.all_accounts:
            principal = await self._services.account(info, ROLE_ADMIN)
        else:
            principal = await self._services.either(info)
        return await logs.list_logs(self._services, principal, request)
