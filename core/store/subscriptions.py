"""Plans, subscriptions and their periods. Every change is a guarded row: rounds may run anywhere, at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import Forbidden, InsufficientQuota, InvalidRequest, RecordNotFound
from core.ledger import purses
from core.state.types import Allowance
from core.store import changes
from core.store.database import Database
from core.store.models import Log, Order, Plan, Subscription, User
from core.subscriptions.periods import end_of, next_reset

KIND = billing_pb2.PURSE_KIND_SUBSCRIPTION
ACTIVE, EXPIRED, CANCELLED = "active", "expired", "cancelled"
UNLIMITED = 1 << 52
"""Units granted a period where a plan has no limit: more than all that was ever charged, and less than columns hold."""
ROUND_MOST = 1000
"""Subscriptions of one round."""
RUNNING_MOST = 50
"""Subscriptions of one account that pay."""
SYSTEM = 4
"""logs.type of what the system does by itself."""
RECALL_MS = 1000


class PurchaseLimit(Forbidden):
    """The account has bought the plan as often as it may."""

    reason = "PURCHASE_LIMIT"
    default_message = "The plan was bought as often as it may be."


def running(user_id: int) -> tuple[Allowance, ...]:
    """What an account's subscriptions hold, the earliest end first; inside of read()."""
    rows = (
        Subscription.select()
        .where(Subscription.user_id == user_id, Subscription.status == ACTIVE)
        .order_by(Subscription.end_time, Subscription.id)
        .limit(RUNNING_MOST)
    )
    return tuple(
        Allowance(row.purse_id, min(row.end_time, row.next_reset_time or row.end_time), bool(row.allow_wallet_overflow))
        for row in rows
    )


class Subscriptions:
    """zone: in which days and months are counted; "": UTC."""

    def __init__(self, database: Database, zone: str = "") -> None:
        self._database = database
        self._zone = zone

    # -- plans --------------------------------------------------------------------------------

    async def plans(self, disabled: bool = False) -> list[Plan]:
        """In the order they are shown in."""
        query = Plan.select().order_by(Plan.sort_order.desc(), Plan.id.desc())
        if not disabled:
            query = query.where(Plan.enabled == True)  # noqa: E712 - peewee's way
        return await self._database.read(lambda: list(query))

    async def plan(self, plan_id: int) -> Plan:
        """By id. Raises RecordNotFound."""
        row = await self._database.read(lambda: Plan.select().where(Plan.id == plan_id).first())
        if row is None:
            raise RecordNotFound("There is no such plan.")
        return row

    async def create_plan(self, **columns: Any) -> Plan:
        """A new one."""
        now = int(time.time())
        return await self._database.write(lambda: Plan.create(created_at=now, updated_at=now, **columns))

    async def update_plan(self, plan_id: int, **columns: Any) -> Plan:
        """Writes columns. Raises RecordNotFound."""
        condition = Plan.id == plan_id
        columns["updated_at"] = int(time.time())
        if not await self._database.write(lambda: Plan.update(**columns).where(condition).execute()):
            raise RecordNotFound("There is no such plan.")
        return await self.plan(plan_id)

    # -- subscriptions ------------------------------------------------------------------------

    async def list(self, user_id: int) -> list[tuple[Subscription, int]]:
        """An account's, newest first, with the units used in their period."""

        def run() -> list[tuple[Subscription, int]]:
            rows = list(
                Subscription.select().where(Subscription.user_id == user_id).order_by(Subscription.id.desc()).limit(500)
            )
            held = purses.read_many(self._database, [row.purse_id for row in rows])
            return [(row, held[row.purse_id].settled if row.purse_id in held else 0) for row in rows]

        return await self._database.read(run)

    async def may_buy(self, user_id: int, plan: Plan) -> None:
        """Raises PurchaseLimit. Asked before money is taken; what was paid for is given in any case."""
        await self._database.read(self._may_buy, user_id, plan)

    @staticmethod
    def _may_buy(user_id: int, plan: Plan) -> None:
        bought = Subscription.select().where(Subscription.user_id == user_id, Subscription.plan_id == plan.id).count()
        if plan.max_purchase_per_user and bought >= plan.max_purchase_per_user:
            raise PurchaseLimit()

    def begin(self, user: User, plan: Plan, source: str, now: int, after: Subscription | None = None) -> Subscription:
        """A subscription with its first period's purse; inside a transaction of the caller's.

        after: the one it goes on from. It may be used at once, and loses none of the time the other still has.
        """
        end = end_of(
            max(now, after.end_time) if after else now,
            plan.duration_unit,
            plan.duration_value,
            plan.custom_seconds,
            self._zone,
        )
        reset = next_reset(now, plan.quota_reset_period, plan.quota_reset_custom_seconds, end, self._zone, now)
        before = user.group
        if after and after.status == ACTIVE and user.group == after.upgrade_group:
            # The group is the other's doing: at the end the account goes back to where it was before both.
            before = after.prev_user_group
        row = Subscription.create(
            user_id=user.id,
            plan_id=plan.id,
            amount_total=plan.total_amount,
            start_time=now,
            end_time=end,
            status=ACTIVE,
            source=source,
            last_reset_time=now,
            next_reset_time=reset,
            reset_period=plan.quota_reset_period,
            reset_seconds=plan.quota_reset_custom_seconds,
            upgrade_group=plan.upgrade_group,
            prev_user_group=before if plan.upgrade_group else "",
            downgrade_group=plan.downgrade_group,
            allow_wallet_overflow=plan.allow_wallet_overflow,
            created_at=now,
            updated_at=now,
        )
        row.purse_id = self._purse(row.id, now, plan.total_amount)
        row.save(only=[Subscription.purse_id])
        if plan.upgrade_group and user.group != plan.upgrade_group:
            User.update(group=plan.upgrade_group).where(User.id == user.id).execute()
        changes.note(self._database, changes.ACCOUNT, user.id)
        return row

    def _purse(self, subscription_id: int, period: int, units: int) -> int:
        return purses.create(self._database, KIND, subscription_id, str(period), units or UNLIMITED)

    async def grant(self, user_id: int, plan_id: int, source: str) -> Subscription:
        """Without payment. Raises RecordNotFound."""

        def run() -> Subscription:
            user = User.select().where(User.id == user_id, User.deleted_at == 0).first()
            plan = Plan.select().where(Plan.id == plan_id).first()
            if user is None or plan is None:
                raise RecordNotFound("There is no such account, or no such plan.")
            return self.begin(user, plan, source, int(time.time()))

        return await self._database.write(run)

    async def buy(self, user_id: int, plan_id: int, unit: Decimal, trade_no: str) -> Subscription | None:
        """By the wallet: price and subscription move in one transaction; None: others hold what it costs, ask again.

        Raises RecordNotFound, InvalidRequest, PurchaseLimit, InsufficientQuota.
        """

        def run() -> Subscription | None:
            now = int(time.time())
            # The account's row is locked first, so that of two purchases at once the second sees the first.
            if (
                not User.update(request_count=User.request_count)
                .where(User.id == user_id, User.deleted_at == 0)
                .execute()
            ):
                raise RecordNotFound("There is no such account.")
            user = User.get_by_id(user_id)
            plan = Plan.select().where(Plan.id == plan_id).first()
            if plan is None or not plan.enabled:
                raise RecordNotFound("The plan is not sold.")
            if not plan.allow_balance_pay:
                raise InvalidRequest("The plan is not sold for balance.", param="plan_id")
            self._may_buy(user_id, plan)
            cost = int((Decimal(plan.price_amount) * unit).to_integral_value(ROUND_CEILING))
            if not purses.spend(self._database, user.purse_id, cost):
                if purses.read(self._database, user.purse_id).remaining < cost:
                    raise InsufficientQuota("The wallet holds less than the plan costs.")
                purses.recall(self._database, user.purse_id, time.time_ns() // 1_000_000 + RECALL_MS)
                return None
            row = self.begin(user, plan, "balance", now)
            Order.create(
                user_id=user.id, plan_id=plan.id, money=plan.price_amount, currency="USD", trade_no=trade_no,
                payment_method="balance", payment_provider="balance", status="success", create_time=now,
                complete_time=now,
            )  # fmt: skip
            Log.create(
                type=SYSTEM, user_id=user.id, username=user.username, quota=cost, created_at=now,
                content=f"bought plan {plan.id} for {cost} units of the wallet, order {trade_no}",
            )  # fmt: skip
            return row

        return await self._database.write(run)

    # -- time ---------------------------------------------------------------------------------

    async def round(self, now: int, user_id: int = 0) -> tuple[int, int]:
        """Begins new periods and ends what is over, of one account or of all; how many of each."""

        def due() -> tuple[Sequence[int], Sequence[int]]:
            of = (Subscription.user_id == user_id) if user_id else (Subscription.id > 0)
            live = (Subscription.status == ACTIVE) & of
            over = Subscription.select(Subscription.id).where(live, Subscription.end_time <= now).limit(ROUND_MOST)
            reset = Subscription.select(Subscription.id).where(
                live, Subscription.end_time > now, Subscription.next_reset_time > 0, Subscription.next_reset_time <= now
            )
            return [row.id for row in over], [row.id for row in reset.limit(ROUND_MOST)]

        over, reset = await self._database.read(due)
        ended = [await self._database.write(self._end, one, EXPIRED, now) for one in over]
        renewed = [await self._database.write(self._renew, one, now) for one in reset]
        return sum(renewed), sum(each is not None for each in ended)

    def _renew(self, subscription_id: int, now: int) -> bool:
        row = Subscription.select().where(Subscription.id == subscription_id).first()
        if row is None or row.status != ACTIVE or not 0 < row.next_reset_time <= now:
            return False
        # Periods that nobody saw are passed over: the one that runs now has begun at its own beginning.
        began = following = row.next_reset_time
        if row.reset_period == "custom":
            began = following = now - (now - row.start_time) % row.reset_seconds
        while 0 < following <= now:
            began = following
            following = next_reset(
                following, row.reset_period, row.reset_seconds, row.end_time, self._zone, row.start_time
            )
        purse = self._purse(row.id, began, row.amount_total)
        # The guard: of all who renew it at once, one changes the row; the purse is the same for all.
        changed = Subscription.update(
            purse_id=purse, last_reset_time=began, next_reset_time=following, updated_at=now
        ).where(
            Subscription.id == row.id,
            Subscription.status == ACTIVE,
            Subscription.next_reset_time == row.next_reset_time,
        )
        if changed.execute() != 1:
            return False
        changes.note(self._database, changes.ACCOUNT, row.user_id)
        return True

    async def end(self, subscription_id: int, delete: bool) -> tuple[int, str]:
        """Ends one now, or deletes its row; whose it was, and the account's group where it changed.

        Raises RecordNotFound.
        """

        def run() -> tuple[int, str]:
            row = Subscription.select().where(Subscription.id == subscription_id).first()
            if row is None:
                raise RecordNotFound("There is no such subscription.")
            group = self._end(row.id, CANCELLED, int(time.time())) or ""
            if delete:
                Subscription.delete().where(Subscription.id == row.id).execute()
            return row.user_id, group

        return await self._database.write(run)

    def _end(self, subscription_id: int, status: str, now: int) -> str | None:
        """The group the account has afterwards, "" where it did not change; None: it had ended before."""
        row = Subscription.get_by_id(subscription_id)
        changed = Subscription.update(status=status, end_time=min(now, row.end_time), updated_at=now).where(
            Subscription.id == row.id, Subscription.status == ACTIVE
        )
        if changed.execute() != 1:
            return None
        changes.note(self._database, changes.ACCOUNT, row.user_id)
        others = Subscription.select().where(
            Subscription.user_id == row.user_id,
            Subscription.status == ACTIVE,
            Subscription.end_time > now,
            Subscription.upgrade_group != "",
        )
        if others.exists():
            return ""
        target = row.downgrade_group or (row.prev_user_group if row.upgrade_group else "")
        condition = User.id == row.user_id
        if row.upgrade_group:
            # Where an administrator moved the account meanwhile, it stays there.
            condition &= User.group == row.upgrade_group
        if not target or not User.update(group=target).where(condition, User.group != target).execute():
            return ""
        return target
