"""SubscriptionService: plans and what accounts have of them."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import subscription_pb2, subscription_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import payments, subscriptions
from core.manage.audit import acting
from core.services.context import Services
from core.state.types import ROLE_ADMIN, ROLE_USER

# ruff: noqa: N802 - the proto's names


class SubscriptionServicer(subscription_pb2_grpc.SubscriptionServiceServicer):
    """Callers are signed-in accounts. Writes of administrators are noted."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def ListPlans(self, request: subscription_pb2.ListPlansRequest, info: CallInfo, context: Any) -> Any:
        """Plans; none where nothing may be sold."""
        await self._services.account(info, ROLE_ADMIN if request.all else ROLE_USER)
        if not request.all and not payments.confirmed(payments.raw(self._services)):
            return subscription_pb2.ListPlansResponse()
        rows = await self._services.store.subscriptions.plans(disabled=request.all)
        return subscription_pb2.ListPlansResponse(plans=[subscriptions.plan_message(row) for row in rows])

    @guarded_unary
    async def CreatePlan(self, request: subscription_pb2.CreatePlanRequest, info: CallInfo, context: Any) -> Any:
        """A new plan."""
        async with acting(self._services, info, ROLE_ADMIN, "subscription.plan_create", title=request.plan.title[:128]):
            subscriptions.must_be_confirmed(self._services)
            columns = subscriptions.columns(self._services, request.plan)
            row = await self._services.store.subscriptions.create_plan(**columns)
            return subscription_pb2.CreatePlanResponse(plan=subscriptions.plan_message(row))

    @guarded_unary
    async def UpdatePlan(self, request: subscription_pb2.UpdatePlanRequest, info: CallInfo, context: Any) -> Any:
        """A plan's change."""
        async with acting(self._services, info, ROLE_ADMIN, "subscription.plan_update", id=request.id):
            row = await subscriptions.update_plan(self._services, request)
            return subscription_pb2.UpdatePlanResponse(plan=subscriptions.plan_message(row))

    @guarded_unary
    async def ListSubscriptions(
        self, request: subscription_pb2.ListSubscriptionsRequest, info: CallInfo, context: Any
    ) -> Any:
        """An account's."""
        principal = await self._services.account(info, ROLE_ADMIN if request.account_id else ROLE_USER)
        account = request.account_id or principal.account.id
        rows = await self._services.store.subscriptions.list(account)
        return subscription_pb2.ListSubscriptionsResponse(
            subscriptions=[subscriptions.message(row, used) for row, used in rows],
            preference=principal.account.billing_preference,
        )

    @guarded_unary
    async def BuyPlan(self, request: subscription_pb2.BuyPlanRequest, info: CallInfo, context: Any) -> Any:
        """A purchase."""
        return await subscriptions.buy(self._services, await self._services.account(info), request)

    @guarded_unary
    async def GrantPlan(self, request: subscription_pb2.GrantPlanRequest, info: CallInfo, context: Any) -> Any:
        """Without payment."""
        params = {"account_id": request.account_id, "plan_id": request.plan_id}
        async with acting(self._services, info, ROLE_ADMIN, "subscription.grant", **params):
            subscriptions.must_be_confirmed(self._services)
            row = await self._services.store.subscriptions.grant(request.account_id, request.plan_id, "admin")
            await self._services.state.refresh()
            group = row.upgrade_group if row.upgrade_group != row.prev_user_group else ""
            return subscription_pb2.GrantPlanResponse(subscription=subscriptions.message(row, 0), group=group)

    @guarded_unary
    async def EndSubscription(
        self, request: subscription_pb2.EndSubscriptionRequest, info: CallInfo, context: Any
    ) -> Any:
        """Now."""
        params = {"id": request.id, "delete": request.delete}
        async with acting(self._services, info, ROLE_ADMIN, "subscription.end", **params):
            _, group = await self._services.store.subscriptions.end(request.id, request.delete)
            await self._services.state.refresh()
            return subscription_pb2.EndSubscriptionResponse(group=group)
