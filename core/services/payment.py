"""PaymentService: top-ups by payment providers."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import payment_pb2, payment_pb2_grpc

from core.errors import Forbidden
from core.link.call import CallInfo, guarded_unary
from core.manage import payments, topups
from core.manage.audit import acting
from core.services.context import Services
from core.state.types import ROLE_ADMIN, ROLE_ROOT, ROLE_USER

# ruff: noqa: N802 - the proto's names


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Callers are signed-in accounts; providers prove themselves by their signature."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def GetWays(self, request: payment_pb2.GetWaysRequest, info: CallInfo, context: Any) -> Any:
        """How to pay."""
        await self._services.account(info)
        return topups.ways(self._services)

    @guarded_unary
    async def QuoteTopUp(self, request: payment_pb2.QuoteTopUpRequest, info: CallInfo, context: Any) -> Any:
        """What an amount costs."""
        return topups.quote(self._services, await self._services.account(info), request)

    @guarded_unary
    async def StartTopUp(self, request: payment_pb2.StartTopUpRequest, info: CallInfo, context: Any) -> Any:
        """An order."""
        return await topups.start(self._services, await self._services.account(info), request)

    @guarded_unary
    async def NotifyPayment(self, request: payment_pb2.NotifyPaymentRequest, info: CallInfo, context: Any) -> Any:
        """A provider's word."""
        return payment_pb2.NotifyPaymentResponse(outcome=await topups.notified(self._services, request))

    @guarded_unary
    async def ListOrders(self, request: payment_pb2.ListOrdersRequest, info: CallInfo, context: Any) -> Any:
        """Orders."""
        principal = await self._services.account(info, ROLE_ADMIN if request.all_accounts else ROLE_USER)
        return await topups.history(self._services, principal, request)

    @guarded_unary
    async def CompleteOrder(self, request: payment_pb2.CompleteOrderRequest, info: CallInfo, context: Any) -> Any:
        """By hand."""
        params = {"trade_no": request.trade_no[:191]}
        async with acting(self._services, info, ROLE_ADMIN, "topup.complete", **params) as principal:
            credited = await topups.complete(self._services, principal, request.trade_no)
            return payment_pb2.CompleteOrderResponse(credited=credited)

    @guarded_unary
    async def ConfirmTerms(self, request: payment_pb2.ConfirmTermsRequest, info: CallInfo, context: Any) -> Any:
        """The terms of payments."""
        async with acting(self._services, info, ROLE_ROOT, "option.payment_compliance") as principal:
            if not info.metadata.get("isthmus-session"):
                raise Forbidden("A person confirms the terms, signed in; an access token is none.")
            return await payments.confirm(self._services, principal, request)
