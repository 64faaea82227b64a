"""Orders: rows of top_ups. Completing one moves order, purse and log in one transaction, once."""

from __future__ import annotations

import time
from typing import Any

from peewee import IntegrityError

from core.errors import Forbidden, RateLimited, RecordNotFound
from core.ledger import purses
from core.store.database import Database
from core.store.filters import text_filter
from core.store.models import Log, Order, Plan, Subscription, User
from core.store.redemptions import TOP_UP
from core.store.subscriptions import CANCELLED, Subscriptions

LIST_MOST = 100
PENDING, SUCCESS, FAILED, EXPIRED = "pending", "success", "failed", "expired"
"""States (New API's). A payment that is proved completes any of the others: the money has come."""
OPEN_MOST, OPEN_SECONDS = 50, 86_400
"""Orders an account may leave unpaid within a day."""
PROBLEM_MOST = 1000


class NotRenewable(Forbidden):
    """An administrator ended what a provider goes on charging for."""

    reason = "NOT_RENEWABLE"
    default_message = "The subscription was ended here, and the provider goes on charging for it."


class Orders:
    """Of every account. Sums are exact decimals as text; units are quota units."""

    def __init__(self, database: Database, subscriptions: Subscriptions) -> None:
        self._database = database
        self._subscriptions = subscriptions

    async def create(self, **columns: Any) -> Order:
        """A pending order. Raises RateLimited where the account leaves too many unpaid."""

        def run() -> Order:
            now = int(time.time())
            unpaid = Order.select().where(
                Order.user_id == columns["user_id"],
                Order.status == PENDING,
                Order.create_time > now - OPEN_SECONDS,
            )
            if unpaid.count() >= OPEN_MOST:
                raise RateLimited("Too many orders are unpaid; pay one, or come back tomorrow.")
            return Order.create(create_time=now, status=PENDING, **columns)

        return await self._database.write(run)

    async def find(self, trade_no: str) -> Order | None:
        """By its number."""
        return await self._database.read(lambda: Order.select().where(Order.trade_no == trade_no).first())

    async def agreed(self, provider: str, agreement: str, trade_no: str) -> Order | None:
        """The order whose agreement it is; by its number where its agreement is not known yet."""

        def run() -> Order | None:
            first = Order.select().where(
                Order.payment_provider == provider, Order.plan_id > 0, Order.renews == 0, Order.subscription_id > 0
            )
            found = first.where(Order.agreement == agreement).first() if agreement else None
            if found is None and trade_no:
                found = first.where(Order.trade_no == trade_no, Order.agreement == "").first()
            return found  # type: ignore[no-any-return, unused-ignore]

        return await self._database.read(run)

    async def renewal(self, first: Order, reference: str) -> Order:
        """The order of a further period; one for each reference (the provider's id of the payment)."""

        def run() -> Order:
            return Order.create(
                user_id=first.user_id, plan_id=first.plan_id, money=first.money, currency=first.currency,
                expected=first.expected, product=first.product, terms=first.terms, reference=reference,
                trade_no=reference, payment_method=first.payment_method, payment_provider=first.payment_provider,
                agreement=first.agreement, renews=first.id, status=PENDING, create_time=int(time.time()),
            )  # fmt: skip

        found = await self.find(reference)
        if found is None:
            try:
                return await self._database.write(run)
            except IntegrityError:
                found = await self.find(reference)
        if found is None or found.renews != first.id:
            raise RecordNotFound("There is no such renewal.")
        return found

    async def list(
        self, user_id: int = 0, keyword: str = "", since: int = 0, offset: int = 0, limit: int = 10
    ) -> tuple[list[Order], int]:
        """Newest first, by number; how many in all. Raises InvalidRequest for patterns that ask too much."""
        conditions = [Order.create_time >= since]
        if user_id:
            conditions.append(Order.user_id == user_id)
        if keyword:
            conditions.append(text_filter(Order.trade_no, keyword, "keyword"))

        def run() -> tuple[list[Order], int]:
            query = Order.select().where(*conditions)
            page = query.order_by(Order.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

    async def started(self, order_id: int, reference: str, expected: str, currency: str) -> None:
        """What the provider said of an order when it was begun there."""
        await self._write(order_id, reference=reference, expected=expected, currency=currency)

    async def close(self, order_id: int, status: str, problem: str = "") -> bool:
        """A pending order that will not be paid; whether it was pending."""
        return await self._write(order_id, status=status, problem=problem[:PROBLEM_MOST])

    async def doubt(self, order_id: int, problem: str) -> None:
        """Notes what an administrator must look at, on an order that gave nothing yet."""
        condition = (Order.id == order_id) & (Order.status != SUCCESS)
        await self._database.write(lambda: Order.update(problem=problem[:PROBLEM_MOST]).where(condition).execute())

    async def _write(self, order_id: int, **columns: Any) -> bool:
        condition = (Order.id == order_id) & (Order.status == PENDING)
        changed = await self._database.write(lambda: Order.update(**columns).where(condition).execute())
        return bool(changed)

    async def complete(
        self, order_id: int, *, by: int = 0, customer: str = "", reference: str = "", agreement: str = ""
    ) -> bool:
        """Gives what was bought; False: it had been given. by: the administrator who completes it by hand.

        Raises RecordNotFound where the account is gone for good, NotRenewable where what would be renewed was ended
        here, unless an administrator completes it. Of all who come at once one succeeds.
        """

        def run() -> bool:
            now = int(time.time())
            columns: dict[str, Any] = {"status": SUCCESS, "complete_time": now, "completed_by": by, "problem": ""}
            if reference:
                columns["reference"] = reference
            if agreement:
                columns["agreement"] = agreement
            # The guard: of all who come at once, one changes the row.
            if Order.update(**columns).where(Order.id == order_id, Order.status != SUCCESS).execute() != 1:
                return False
            row = Order.get_by_id(order_id)
            user = User.select().where(User.id == row.user_id).first()
            if user is None or not user.purse_id:
                raise RecordNotFound("There is no such account.")
            if row.plan_id:
                plan = Plan.select().where(Plan.id == row.plan_id).first()
                if plan is None:
                    raise RecordNotFound("There is no such plan.")
                # Also where it is no longer sold: it was paid for.
                given = self._subscriptions.begin(user, plan, "order", now, self._before(row, now, forced=bool(by)))
                Order.update(subscription_id=given.id).where(Order.id == row.id).execute()
            else:
                purses.grant(self._database, user.purse_id, row.quota)
            if customer and not user.stripe_customer:
                User.update(stripe_customer=customer).where(User.id == user.id).execute()
            note = f" (completed by account {by})" if by else ""
            what = f"plan {row.plan_id}" if row.plan_id else f"{row.quota} units"
            sum_ = f"{row.money} {row.currency}".strip()
            Log.create(
                type=TOP_UP,
                user_id=user.id,
                username=user.username,
                quota=row.quota,
                content=f"paid {sum_} by {row.payment_provider} for {what}, order {row.trade_no}{note}",
                created_at=now,
            )
            return True

        return await self._database.write(run)

    def _before(self, row: Order, now: int, forced: bool) -> Subscription | None:
        """What a renewal goes on from; None: it is none, or what it went on from was ended. Raises NotRenewable."""
        if not row.renews:
            return None
        # Renewals of one agreement follow each other: the first order's row is locked until the transaction's end.
        Order.update(renews=0).where(Order.id == row.renews).execute()
        last = (
            Order.select()
            .where((Order.id == row.renews) | (Order.renews == row.renews), Order.subscription_id > 0)
            .order_by(Order.subscription_id.desc())
            .first()
        )
        number = last.subscription_id if last else 0
        live = (Subscription.id == number) & (Subscription.status != CANCELLED)
        # Written so that nobody ends it meanwhile.
        if Subscription.update(updated_at=now).where(live).execute() == 1:
            return Subscription.get_by_id(number)
        if not forced:
            raise NotRenewable()
        return None
