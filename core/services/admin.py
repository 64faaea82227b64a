"""AdminService: accounts, keys, channels, options, logs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest, RecordNotFound
from core.link.call import CallInfo, guarded_stream, guarded_unary
from core.manage import (
    accounts,
    audit,
    channel_keys,
    channels,
    fields,
    inquiries,
    keys,
    log_streams,
    logs,
    options,
    passkeys,
    second_factor,
    sessions,
)
from core.manage.audit import acting
from core.services.context import Services
from core.services.oauth_admin import OAuthAdminCalls
from core.state.types import ROLE_ADMIN, ROLE_ROOT, Principal

# ruff: noqa: N802 - the proto's names


class AdminServicer(OAuthAdminCalls):
    """Thin: the work is in core/manage. Writes of administrators go through acting(), which notes them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    def _admin(self, info: CallInfo, action: str, **params: Any) -> AbstractAsyncContextManager[Principal]:
        return acting(self._services, info, ROLE_ADMIN, action, **params)

    # -- accounts -----------------------------------------------------------------------------

    @guarded_unary
    async def ListAccounts(self, request: admin_pb2.ListAccountsRequest, info: CallInfo, context: Any) -> Any:
        """Accounts."""
        await self._services.account(info, ROLE_ADMIN)
        number, size, offset = logs.paging(request.page)
        deleted = True if request.status == -1 else False if request.search or request.status else None
        rows, total = await self._services.store.accounts.list(
            fields.text(request.keyword, "keyword"),
            fields.text(request.group, "group"),
            offset,
            size,
            role=request.role,
            status=max(request.status, 0),
            deleted=deleted,
        )
        response = admin_pb2.ListAccountsResponse(accounts=await accounts.messages(self._services, rows))
        response.page.page, response.page.page_size, response.page.total = number, size, total
        return response

    @guarded_unary
    async def GetAccount(self, request: admin_pb2.GetAccountRequest, info: CallInfo, context: Any) -> Any:
        """One account."""
        principal = await self._services.account(info, ROLE_ADMIN)
        user = await accounts.lower(self._services, principal, request.id)
        return admin_pb2.GetAccountResponse(account=await accounts.message(self._services, user))

    @guarded_unary
    async def CreateAccount(self, request: admin_pb2.CreateAccountRequest, info: CallInfo, context: Any) -> Any:
        """A new account."""
        async with self._admin(info, "user.create", username=request.username[:64]) as principal:
            account = await accounts.create(self._services, principal, request)
            return admin_pb2.CreateAccountResponse(account=account)

    @guarded_unary
    async def UpdateAccount(self, request: admin_pb2.UpdateAccountRequest, info: CallInfo, context: Any) -> Any:
        """Changes an account."""
        async with self._admin(info, "user.update", id=request.id) as principal:
            account = await accounts.update(self._services, principal, request)
            return admin_pb2.UpdateAccountResponse(account=account)

    @guarded_unary
    async def ManageAccount(self, request: admin_pb2.ManageAccountRequest, info: CallInfo, context: Any) -> Any:
        """Disables, enables, promotes, demotes, deletes, or changes quota."""
        params = {"id": request.id, "mode": request.mode[:32], "value": request.value}
        async with self._admin(info, f"user.{request.action[:32]}", **params) as principal:
            account = await accounts.manage(self._services, principal, request)
            return admin_pb2.ManageAccountResponse(account=account)

    @guarded_unary
    async def EraseAccount(self, request: admin_pb2.EraseAccountRequest, info: CallInfo, context: Any) -> Any:
        """Erases an account."""
        async with self._admin(info, "user.erase", id=request.id) as principal:
            await accounts.erase(self._services, principal, request.id)
            return admin_pb2.EraseAccountResponse()

    @guarded_unary
    async def RemoveTwoFactor(self, request: admin_pb2.RemoveTwoFactorRequest, info: CallInfo, context: Any) -> Any:
        """Takes a second factor away."""
        async with self._admin(info, "user.2fa_remove", id=request.id) as principal:
            await second_factor.remove(self._services, principal, request.id)
            return admin_pb2.RemoveTwoFactorResponse()

    @guarded_unary
    async def RemoveAccountPasskey(
        self, request: admin_pb2.RemoveAccountPasskeyRequest, info: CallInfo, context: Any
    ) -> Any:
        """Takes a passkey away."""
        async with self._admin(info, "user.passkey_remove", id=request.id) as principal:
            await passkeys.remove(self._services, principal, request.id)
            return admin_pb2.RemoveAccountPasskeyResponse()

    @guarded_unary
    async def ListAudit(self, request: admin_pb2.ListAuditRequest, info: CallInfo, context: Any) -> Any:
        """What administrators did."""
        await self._services.account(info, ROLE_ROOT)
        return await audit.listed(self._services, request)

    @guarded_unary
    async def GetTwoFactorStats(self, request: admin_pb2.GetTwoFactorStatsRequest, info: CallInfo, context: Any) -> Any:
        """How many have one."""
        await self._services.account(info, ROLE_ADMIN)
        return await second_factor.stats(self._services)

    # -- keys ---------------------------------------------------------------------------------

    @guarded_unary
    async def ListKeys(self, request: admin_pb2.ListKeysRequest, info: CallInfo, context: Any) -> Any:
        """The caller's keys."""
        return await keys.list_keys(self._services, await self._services.account(info), request)

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
        return admin_pb2.CreateKeyResponse(key=key, secret=secret, told_once=not keys.keeps(self._services))

    @guarded_unary
    async def CreateKeys(self, request: admin_pb2.CreateKeysRequest, info: CallInfo, context: Any) -> Any:
        """Several new keys."""
        principal = await self._services.account(info)
        made, secrets = await keys.create_many(self._services, principal, request.key, request.count)
        return admin_pb2.CreateKeysResponse(keys=made, secrets=secrets)

    @guarded_unary
    async def RotateKey(self, request: admin_pb2.RotateKeyRequest, info: CallInfo, context: Any) -> Any:
        """Another secret."""
        principal = await self._services.account(info)
        return await keys.rotate(self._services, principal, info, request)

    @guarded_unary
    async def UpdateKey(self, request: admin_pb2.UpdateKeyRequest, info: CallInfo, context: Any) -> Any:
        """Changes a key."""
        principal = await self._services.account(info)
        key = await keys.update(self._services, principal, request.key, request.status_only)
        return admin_pb2.UpdateKeyResponse(key=key)

    @guarded_unary
    async def DeleteKeys(self, request: admin_pb2.DeleteKeysRequest, info: CallInfo, context: Any) -> Any:
        """Deletes keys."""
        principal = await self._services.account(info)
        return admin_pb2.DeleteKeysResponse(deleted=await keys.delete(self._services, principal, request.ids))

    @guarded_unary
    async def RevealKey(self, request: admin_pb2.RevealKeyRequest, info: CallInfo, context: Any) -> Any:
        """A key's secret."""
        principal = await self._services.account(info)
        found = await keys.reveal(self._services, principal, info, [request.id])
        if not found:
            raise RecordNotFound("There is no such key.")
        return admin_pb2.RevealKeyResponse(secret=found[request.id])

    @guarded_unary
    async def RevealKeys(self, request: admin_pb2.RevealKeysRequest, info: CallInfo, context: Any) -> Any:
        """The secrets of some keys."""
        principal = await self._services.account(info)
        found = await keys.reveal(self._services, principal, info, request.ids)
        return admin_pb2.RevealKeysResponse(secrets=found)

    # -- channels -----------------------------------------------------------------------------

    @guarded_unary
    async def ListChannels(self, request: admin_pb2.ListChannelsRequest, info: CallInfo, context: Any) -> Any:
        """Channels."""
        await self._services.account(info, ROLE_ADMIN)
        return await channels.list_channels(self._services, request)

    @guarded_unary
    async def GetChannel(self, request: admin_pb2.GetChannelRequest, info: CallInfo, context: Any) -> Any:
        """One channel."""
        await self._services.account(info, ROLE_ADMIN)
        row = await self._services.store.channels.get(request.id)
        return admin_pb2.GetChannelResponse(channel=channels.message(row))

    @guarded_unary
    async def CreateChannels(self, request: admin_pb2.CreateChannelsRequest, info: CallInfo, context: Any) -> Any:
        """New channels."""
        async with self._admin(info, "channel.create", name=request.channel.name[:191]):
            return admin_pb2.CreateChannelsResponse(channels=await channels.create(self._services, request))

    @guarded_unary
    async def UpdateChannel(self, request: admin_pb2.UpdateChannelRequest, info: CallInfo, context: Any) -> Any:
        """Changes a channel."""
        async with self._admin(info, "channel.update", id=request.channel.id, fields=list(request.fields)[:50]):
            return admin_pb2.UpdateChannelResponse(channel=await channels.update(self._services, request))

    @guarded_unary
    async def DeleteChannels(self, request: admin_pb2.DeleteChannelsRequest, info: CallInfo, context: Any) -> Any:
        """Deletes channels."""
        async with self._admin(info, "channel.delete", ids=list(request.ids)[:100], disabled=request.disabled):
            return admin_pb2.DeleteChannelsResponse(deleted=await channels.delete(self._services, request))

    @guarded_unary
    async def CopyChannel(self, request: admin_pb2.CopyChannelRequest, info: CallInfo, context: Any) -> Any:
        """A copy of a channel."""
        async with self._admin(info, "channel.copy", id=request.id):
            return admin_pb2.CopyChannelResponse(channel=await channels.copy(self._services, request))

    @guarded_unary
    async def RevealChannel(self, request: admin_pb2.RevealChannelRequest, info: CallInfo, context: Any) -> Any:
        """The key of a channel."""
        async with acting(self._services, info, ROLE_ROOT, "channel.key_view", id=request.id):
            sessions.check_verification(
                self._services.store.vault.session_key,
                info.metadata.get("isthmus-session", ""),
                info.metadata.get("isthmus-verification", ""),
                int(time.time()),
            )
            row = await self._services.store.channels.get(request.id)
            return admin_pb2.RevealChannelResponse(secret=row.key)

    @guarded_unary
    async def UpdateTag(self, request: admin_pb2.UpdateTagRequest, info: CallInfo, context: Any) -> Any:
        """Changes channels by tag, or their tag."""
        async with self._admin(info, "channel.tag", tag=request.tag[:191], ids=list(request.ids)[:100]):
            return admin_pb2.UpdateTagResponse(changed=await channels.update_tag(self._services, request))

    @guarded_unary
    async def GetTagModels(self, request: admin_pb2.GetTagModelsRequest, info: CallInfo, context: Any) -> Any:
        """The longest list of models of a tag."""
        await self._services.account(info, ROLE_ADMIN)
        listed = await self._services.store.channels.longest_models(fields.text(request.tag, "tag"))
        return admin_pb2.GetTagModelsResponse(models=[name for name in listed.split(",") if name])

    @guarded_unary
    async def ManageChannelKeys(self, request: admin_pb2.ManageChannelKeysRequest, info: CallInfo, context: Any) -> Any:
        """Single keys of a channel."""
        if request.action == "get_key_status":
            await self._services.account(info, ROLE_ADMIN)
            return await channel_keys.manage(self._services, request)
        params = {"id": request.id, "key_index": request.key_index}
        async with self._admin(info, f"channel.{request.action[:32]}", **params):
            return await channel_keys.manage(self._services, request)

    @guarded_unary
    async def RebuildIndex(self, request: admin_pb2.RebuildIndexRequest, info: CallInfo, context: Any) -> Any:
        """The index of channels anew."""
        async with self._admin(info, "channel.fix"):
            await self._services.state.rebuild()
            found = self._services.state.snapshot.channels.values()
            defect = sum(bool(channel.defect) for channel in found)
            return admin_pb2.RebuildIndexResponse(usable=len(found) - defect, defect=defect)

    @guarded_unary
    async def TestChannel(self, request: admin_pb2.TestChannelRequest, info: CallInfo, context: Any) -> Any:
        """A small request through a channel."""
        principal = await self._services.account(info, ROLE_ADMIN)
        return await channels.test(self._services, principal.account, request)

    @guarded_unary
    async def FetchModels(self, request: admin_pb2.FetchModelsRequest, info: CallInfo, context: Any) -> Any:
        """The models a channel's vendor lists. An address that anybody could name is root's to ask."""
        if request.id:
            await self._services.account(info, ROLE_ADMIN)
            return admin_pb2.FetchModelsResponse(models=await inquiries.models(self._services, request))
        async with acting(self._services, info, ROLE_ROOT, "channel.fetch_models", type=request.type):
            return admin_pb2.FetchModelsResponse(models=await inquiries.models(self._services, request))

    @guarded_unary
    async def UpdateBalance(self, request: admin_pb2.UpdateBalanceRequest, info: CallInfo, context: Any) -> Any:
        """What is left of a channel's money."""
        if not request.id:
            async with self._admin(info, "channel.update_balance"):
                updated, disabled = await inquiries.balances(self._services)
                return admin_pb2.UpdateBalanceResponse(updated=updated, disabled=disabled)
        await self._services.account(info, ROLE_ADMIN)
        return admin_pb2.UpdateBalanceResponse(balance=await inquiries.balance(self._services, request.id))

    # -- options, logs ------------------------------------------------------------------------

    @guarded_unary
    async def ListOptions(self, request: admin_pb2.ListOptionsRequest, info: CallInfo, context: Any) -> Any:
        """Options, secrets left out."""
        await self._services.account(info, ROLE_ROOT)
        return admin_pb2.ListOptionsResponse(options=options.told(self._services))

    @guarded_unary
    async def DescribeOptions(self, request: admin_pb2.DescribeOptionsRequest, info: CallInfo, context: Any) -> Any:
        """Options with what they are for."""
        await self._services.account(info, ROLE_ROOT)
        return admin_pb2.DescribeOptionsResponse(options=options.described(self._services))

    @guarded_unary
    async def SetOptions(self, request: admin_pb2.SetOptionsRequest, info: CallInfo, context: Any) -> Any:
        """Sets options, all or none."""
        names = sorted(name[:191] for name in request.options)[:50]
        async with acting(self._services, info, ROLE_ROOT, "option.update", names=names):
            await options.write(self._services, request.options)
            return admin_pb2.SetOptionsResponse()

    async def _reader(self, info: CallInfo, everybody: bool) -> Principal:
        """Who reads logs: everybody's are for administrators; a key reads its own."""
        if everybody:
            return await self._services.account(info, ROLE_ADMIN)
        if info.metadata.get("isthmus-session") or info.metadata.get("isthmus-user"):
            return await self._services.account(info)
        return await self._services.reading_key(info)

    @guarded_unary
    async def ListLogs(self, request: admin_pb2.ListLogsRequest, info: CallInfo, context: Any) -> Any:
        """Logs."""
        principal = await self._reader(info, request.all_accounts)
        return await logs.list_logs(self._services, principal, request)

    @guarded_stream
    async def ExportLogs(
        self, request: admin_pb2.ExportLogsRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[admin_pb2.ExportLogsResponse]:
        """All lines."""
        principal = await self._reader(info, request.filter.all_accounts)
        async for part in log_streams.export(self._services, principal, request):
            yield part

    @guarded_stream
    async def TailLogs(
        self, request: admin_pb2.TailLogsRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[admin_pb2.TailLogsResponse]:
        """Lines as they come."""

        async def reader() -> Principal:
            return await self._reader(info, request.filter.all_accounts)

        async for part in log_streams.tail(self._services, reader, request):
            yield part

    @guarded_unary
    async def SumLogs(self, request: admin_pb2.SumLogsRequest, info: CallInfo, context: Any) -> Any:
        """Sums of logs."""
        principal = await self._reader(info, request.filter.all_accounts)
        return await logs.sum_logs(self._services, principal, request.filter)

    @guarded_unary
    async def DeleteLogs(self, request: admin_pb2.DeleteLogsRequest, info: CallInfo, context: Any) -> Any:
        """Deletes old lines."""
        async with acting(self._services, info, ROLE_ROOT, "log.delete", before=request.before):
            if request.before <= 0:
                raise InvalidRequest("Before which time (Unix seconds)?", param="target_timestamp")
            count = await self._services.store.logs.delete_before(request.before)
            return admin_pb2.DeleteLogsResponse(deleted=count)
