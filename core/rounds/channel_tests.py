"""A round of channel tests: who is asked, what follows from the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import ChannelError, IsthmusError
from core.manage.notices import tell_root
from core.pipeline.trial import UNTESTED, Trial
from core.rounds.runner import Progress
from core.rounds.schedule import Chore
from core.routing.retry import should_disable
from core.services.context import Services
from core.state.snapshot import channel_of
from core.state.types import DISABLED_AUTOMATICALLY, DISABLED_BY_HAND, ENABLED, Account, Channel, ChannelKey
from core.store import models

logger = logging.getLogger("isthmus.rounds")

KIND = "channel_test"
AT_ONCE = 4
"""Channels that are tested at the same time."""
KEYS_MOST = 10
"""Disabled keys of one channel that a round asks."""
TOLD_MOST = 50
"""Failures that a result and a mail name."""
DOWN = frozenset({DISABLED_AUTOMATICALLY})


@dataclass(slots=True)
class Round:
    """What a round is, and what it found so far. automatic: nobody asked for it, so who has traffic is passed over."""

    automatic: bool
    recovery: bool = False
    """Only channels that were disabled automatically; none is disabled."""
    spent: Mapping[str, int] = field(default_factory=dict)
    """Channel id -> what it had been used for when the last round began."""
    figures: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("tested", "succeeded", "failed", "disabled", "enabled", "skipped"), 0)
    )
    failures: list[dict[str, Any]] = field(default_factory=list)


async def run(services: Services, progress: Progress, this: Round, account: Account | None) -> dict[str, Any]:
    """Tests every channel the round is about. account: whose name the log lines bear."""
    rows = await services.store.channels.all()
    chosen = [row for row in rows if _wanted(row, this)]
    progress.tell(total=len(chosen), done=0, **this.figures)
    gate = asyncio.Semaphore(1 if services.settings.polling_interval else AT_ONCE)
    done = 0

    async def one(row: models.Channel) -> None:
        nonlocal done
        async with gate:
            try:
                await _channel(services, row, this, account)
            except IsthmusError as error:
                _failed(this, row, error.message)
            except Exception:
                # One channel that cannot be tested must not end the others' round.
                logger.exception("could not test a channel", extra={"channel": row.id})
                _failed(this, row, "it could not be tested")
            done += 1
            progress.tell(total=len(chosen), done=done, **this.figures)
            if services.settings.polling_interval:
                await asyncio.sleep(services.settings.polling_interval)

    async with asyncio.TaskGroup() as group:
        for row in chosen:
            group.create_task(one(row))
    await services.state.refresh()
    progress.tell(spent={str(row.id): row.used_quota for row in rows})
    if not this.automatic or this.figures["disabled"] or this.figures["enabled"]:
        await tell_root(services, KIND, "channels were tested", _words(this))
    return {**this.figures, "failures": this.failures}


async def begin(services: Services) -> tuple[models.SystemTask, bool]:
    """Begins a round over all channels, or tells the one under way, and False."""

    async def work(progress: Progress) -> Mapping[str, Any]:
        return await run(services, progress, Round(automatic=False), await _root(services))

    return await services.rounds.start(KIND, work, {"automatic": False})


def chore(services: Services) -> Chore:
    """The rounds that come by themselves."""

    def every() -> float:
        options, settings = services.state.snapshot.options, services.settings
        if not (options.test_channels or settings.channel_test_enabled or settings.channel_test_minutes):
            return 0.0
        return 60 * ((not options.test_channels and settings.channel_test_minutes) or options.test_minutes)

    async def work(progress: Progress) -> Mapping[str, Any]:
        spent = (await services.store.system_tasks.last_state(KIND)).get("spent")
        recovery = services.state.snapshot.options.test_recovery
        this = Round(automatic=True, recovery=recovery, spent=spent if isinstance(spent, dict) else {})
        return await run(services, progress, this, await _root(services))

    return Chore(KIND, every, work)


async def _root(services: Services) -> Account | None:
    root = await services.store.accounts.root()
    return await services.state.account(root.id) if root is not None else None


def _wanted(row: models.Channel, this: Round) -> bool:
    """Whether a round tests a channel; of those passed over because real traffic tells enough, a count is kept."""
    if row.status == DISABLED_BY_HAND or row.type in UNTESTED:
        return False
    if this.recovery:
        return row.status == DISABLED_AUTOMATICALLY
    if this.automatic and row.status == ENABLED and row.used_quota > this.spent.get(str(row.id), row.used_quota):
        this.figures["skipped"] += 1
        return False
    return True


async def _channel(services: Services, row: models.Channel, this: Round, account: Account | None) -> None:
    """Tests a channel by its first enabled key, and each key that was disabled automatically."""
    options = services.state.snapshot.options
    channel = channel_of(row)
    down = channel_of(row, DOWN).keys if channel.multi_key_mode else ()
    keys: list[tuple[ChannelKey, bool]] = [(key, False) for key in channel.keys[:1]]
    if options.automatic_enable_channel or row.status == DISABLED_AUTOMATICALLY:
        keys += [(key, True) for key in down[:KEYS_MOST]]
    if not keys:
        return
    this.figures["tested"] += 1
    slow = 0.0
    good: list[tuple[ChannelKey, bool]] = []
    bad: list[tuple[ChannelKey, admin_pb2.TestChannelResponse]] = []
    for key, was_down in keys:
        found = await services.tester(Trial(row.id, account=account, key=key))
        slow = max(slow, found.seconds)
        if found.ok and not _late(found, options.disable_seconds):
            good.append((key, was_down))
        elif not was_down:
            bad.append((key, found))
    await services.store.channels.tested(row.id, int(slow * 1000))
    this.figures["succeeded" if good and not bad else "failed"] += 1
    if options.automatic_enable_channel:
        await _enable(services, row, this, good)
    for key, found in bad:
        late = _late(found, options.disable_seconds)
        told = f"it answered after {found.seconds:.1f} s" if found.ok else found.fault.message
        _name(this, row, told)
        if row.status == ENABLED and not this.recovery and _disables(services, channel, found, late):
            index = key.index if channel.multi_key_mode else 0
            changed = await services.store.channels.set_status(
                row.id, DISABLED_AUTOMATICALLY, key_index=index, reason=told[:200]
            )
            this.figures["disabled"] += int(changed)


def _late(found: admin_pb2.TestChannelResponse, most: float) -> bool:
    """Whether an answer came later than an enabled channel's may."""
    return bool(most) and found.ok and found.seconds > most


def _disables(services: Services, channel: Channel, found: admin_pb2.TestChannelResponse, late: bool) -> bool:
    options = services.state.snapshot.options
    if not options.automatic_disable_channel or not channel.auto_ban:
        return False
    wrong = found.fault.reason == ChannelError.reason and not channel.defect
    return late or wrong or should_disable(found.fault.http_status, found.fault.message, options, channel)


async def _enable(services: Services, row: models.Channel, this: Round, good: list[tuple[ChannelKey, bool]]) -> None:
    for key, was_down in good:
        if was_down:
            changed = await services.store.channels.set_status(
                row.id, ENABLED, key_index=key.index, reason="it answers"
            )
        else:
            changed = row.status == DISABLED_AUTOMATICALLY and await services.store.channels.enable_again(row.id)
        this.figures["enabled"] += int(changed)


def _failed(this: Round, row: models.Channel, told: str) -> None:
    this.figures["failed"] += 1
    _name(this, row, told)


def _name(this: Round, row: models.Channel, told: str) -> None:
    if len(this.failures) < TOLD_MOST:
        this.failures.append({"id": row.id, "name": row.name, "message": told[:200]})


def _words(this: Round) -> str:
    """The mail."""
    lines = [f"{name}: {count}" for name, count in this.figures.items()]
    lines += ["", *(f"#{each['id']} {each['name']}: {each['message']}" for each in this.failures)]
    return "\n".join(lines) + "\n"
