"""BillingService: receipts, balances, usage by key."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import billing_pb2, billing_pb2_grpc, common_pb2

from core.link.call import CallInfo, guarded_unary
from core.manage import checkin, fields, logs, own, redemptions, usage
from core.manage.audit import acting
from core.services.context import Services
from core.state.types import ROLE_ADMIN, ROLE_USER
from core.store.logs import Asked

# ruff: noqa: N802 - the proto's names


class BillingServicer(billing_pb2_grpc.BillingServiceServicer):
    """Callers are keys or signed-in accounts; each reads what is its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def GetReceipt(self, request: billing_pb2.GetReceiptRequest, info: CallInfo, context: Any) -> Any:
        """The receipts of a request."""
        principal = await self._services.either(info)
        found = await logs.receipts(self._services, principal, request.request_id[:64])
        return billing_pb2.GetReceiptResponse(receipts=found)

    @guarded_unary
    async def ListReceipts(self, request: billing_pb2.ListReceiptsRequest, info: CallInfo, context: Any) -> Any:
        """Receipts, newest first."""
        principal = await self._services.either(info)
        number, size, offset = logs.paging(request.page)
        account_id, key_id = request.account_id, request.key_id
        if principal.key is not None:
            account_id, key_id = principal.account.id, principal.key.id
        elif principal.account.role < ROLE_ADMIN:
            account_id = principal.account.id
        equal = {
            "user_id": account_id,
            "token_id": key_id,
            "model_name": fields.text(request.model, "model"),
        }
        which = Asked(equal, since=request.since, until=request.until)
        lines = await self._services.store.logs.list(which, offset=offset, limit=size)
        found = [logs.for_reader(principal, held) for row in lines.rows if (held := logs.receipt(row)) is not None]
        page = common_pb2.PageInfo(page=number, page_size=size, total=lines.total)
        return billing_pb2.ListReceiptsResponse(receipts=found, page=page)

    @guarded_unary
    async def GetBalance(self, request: billing_pb2.GetBalanceRequest, info: CallInfo, context: Any) -> Any:
        """What the caller may spend."""
        principal = await self._services.either(info)
        response = billing_pb2.GetBalanceResponse(account=await self._services.ledger.purse(principal.account.purse_id))
        key = principal.key
        if key is not None and key.purse_id:
            response.key.CopyFrom(await self._services.ledger.purse(key.purse_id))
        response.key_unlimited = key is not None and not key.purse_id
        return response

    @guarded_unary
    async def GetKeyUsage(self, request: billing_pb2.GetKeyUsageRequest, info: CallInfo, context: Any) -> Any:
        """What the caller's key used."""
        return await usage.by_key(self._services, await self._services.reading_key(info))

    @guarded_unary
    async def SumUsage(self, request: billing_pb2.SumUsageRequest, info: CallInfo, context: Any) -> Any:
        """Sums of usage."""
        principal = await self._services.account(info, ROLE_ADMIN if request.all_accounts else ROLE_USER)
        return billing_pb2.SumUsageResponse(sums=await usage.sums(self._services, principal, request))

    @guarded_unary
    async def Redeem(self, request: billing_pb2.RedeemRequest, info: CallInfo, context: Any) -> Any:
        """Adds a code's units to the caller's wallet."""
        principal = await self._services.account(info)
        return billing_pb2.RedeemResponse(quota=await redemptions.redeem(self._services, principal, request.code))

    @guarded_unary
    async def TransferInvitationQuota(
        self, request: billing_pb2.TransferInvitationQuotaRequest, info: CallInfo, context: Any
    ) -> Any:
        """Units of invitations to the wallet."""
        principal = await self._services.account(info)
        left = await own.transfer(self._services, principal, request.quota)
        return billing_pb2.TransferInvitationQuotaResponse(left=left)

    @guarded_unary
    async def GetCheckIns(self, request: billing_pb2.GetCheckInsRequest, info: CallInfo, context: Any) -> Any:
        """The caller's check-ins."""
        return await checkin.standing(self._services, await self._services.account(info), request)

    @guarded_unary
    async def DoCheckIn(self, request: billing_pb2.DoCheckInRequest, info: CallInfo, context: Any) -> Any:
        """Today's."""
        principal = await self._services.account(info)
        found = await checkin.come(self._services, principal, request, info.client_address)
        return billing_pb2.DoCheckInResponse(check_in=found)

    @guarded_unary
    async def ListRedemptions(self, request: billing_pb2.ListRedemptionsRequest, info: CallInfo, context: Any) -> Any:
        """Codes."""
        await self._services.account(info, ROLE_ADMIN)
        return await redemptions.list_codes(self._services, request)

    @guarded_unary
    async def GetRedemption(self, request: billing_pb2.GetRedemptionRequest, info: CallInfo, context: Any) -> Any:
        """One code."""
        await self._services.account(info, ROLE_ADMIN)
        row = await self._services.store.redemptions.get(request.id)
        return billing_pb2.GetRedemptionResponse(redemption=redemptions.message(row))

    @guarded_unary
    async def CreateRedemptions(
        self, request: billing_pb2.CreateRedemptionsRequest, info: CallInfo, context: Any
    ) -> Any:
        """New codes."""
        params = {"name": request.name[:20], "quota": request.quota, "count": request.count}
        async with acting(self._services, info, ROLE_ADMIN, "redemption.create", **params) as principal:
            codes = await redemptions.create(self._services, principal, request)
            return billing_pb2.CreateRedemptionsResponse(codes=codes)

    @guarded_unary
    async def UpdateRedemption(self, request: billing_pb2.UpdateRedemptionRequest, info: CallInfo, context: Any) -> Any:
        """Changes a code."""
        async with acting(self._services, info, ROLE_ADMIN, "redemption.update", id=request.id):
            found = await redemptions.update(self._services, request)
            return billing_pb2.UpdateRedemptionResponse(redemption=found)

    @guarded_unary
    async def DeleteRedemptions(
        self, request: billing_pb2.DeleteRedemptionsRequest, info: CallInfo, context: Any
    ) -> Any:
        """Deletes codes."""
        params = {"ids": list(request.ids)[:100], "invalid": request.invalid}
        async with acting(self._services, info, ROLE_ADMIN, "redemption.delete", **params):
            chosen = [] if request.invalid else fields.ids(request.ids)
            count = await self._services.store.redemptions.delete(chosen, invalid=request.invalid)
            return billing_pb2.DeleteRedemptionsResponse(deleted=count)
