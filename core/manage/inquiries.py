"""What a channel's vendor is asked for administrators: its models, the channel's money."""

from __future__ import annotations

import asyncio
import json
import logging

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest, IsthmusError, RecordNotFound
from core.manage import fields
from core.manage.channels import TEXT_FIELDS
from core.manage.notices import tell_root
from core.services.context import Services
from core.state.snapshot import channel_of
from core.state.types import DISABLED_AUTOMATICALLY, Channel, ChannelKey
from core.store.channels import split_keys
from core.vendors.balance import BALANCES
from core.vendors.registry import vendor

logger = logging.getLogger("isthmus.inquiries")

AT_ONCE = 8
"""Vendors that are asked for balances at the same time."""
ALL_SECONDS = 120.0
"""Longest that asking all of them may take; who was not asked by then keeps the balance it had."""


async def models(services: Services, request: admin_pb2.FetchModelsRequest) -> list[str]:
    """Names as the vendor lists them. Raises InvalidRequest, RecordNotFound, VendorError, ChannelError."""
    channel = await _saved(services, request.id) if request.id else _unsaved(request)
    return await services.inquirer.models(channel)


async def balance(services: Services, channel_id: int) -> float:
    """What is left; kept with the channel. Raises InvalidRequest, RecordNotFound, VendorError, ChannelError."""
    row = await services.store.channels.get(channel_id)
    if json.loads(row.channel_info or "{}").get("is_multi_key"):
        raise InvalidRequest("A channel with several keys has no one balance.", param="id")
    found = await services.inquirer.balance(channel_of(row))
    await services.store.channels.counted(channel_id, found)
    return found


async def balances(services: Services) -> tuple[int, int]:
    """What is left of every enabled channel that holds one key; those with nothing are disabled. Counts of both."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(channel: Channel) -> float | None:
        async with gate:
            try:
                found = await services.inquirer.balance(channel)
            except IsthmusError as error:
                # One vendor that does not answer must not keep the others from being asked.
                logger.info("no balance", extra={"channel": channel.id, "reason": error.reason})
                return None
        await services.store.channels.counted(channel.id, found)
        return found

    known = services.state.snapshot.channels.values()
    asked = [one for one in known if one.type in BALANCES and not one.multi_key_mode and not one.defect]
    running = {asyncio.create_task(ask(channel)): channel for channel in asked}
    try:
        done, late = await asyncio.wait(running, timeout=ALL_SECONDS) if running else (set(), set())
    finally:
        for task in running:
            task.cancel()
    if late:
        logger.warning("balances not asked for in time", extra={"channels": len(late)})
    told = {running[task].id: found for task in done if (found := task.result()) is not None}
    spent = [channel for channel in asked if told.get(channel.id, 1) <= 0]
    gone = [
        channel
        for channel in spent
        if await services.store.channels.set_status(channel.id, DISABLED_AUTOMATICALLY, reason="nothing is left")
    ]
    if spent:
        await services.state.refresh()
    if gone:
        lines = "\n".join(f"#{channel.id} {channel.name}" for channel in gone)
        await tell_root(services, "balance", "channels were disabled", f"Nothing is left of their balance:\n{lines}\n")
    return len(told), len(spent)


async def _saved(services: Services, channel_id: int) -> Channel:
    """A channel in any state."""
    channel = await services.state.channel(channel_id)
    if channel is None:
        raise RecordNotFound(f"There is no channel {channel_id}.")
    return channel


def _unsaved(request: admin_pb2.FetchModelsRequest) -> Channel:
    """A channel as somebody is about to save it; its first key."""
    row = vendor(request.type)
    if row is None:
        raise InvalidRequest(f"There is no channel type {request.type}.", param="type")
    keys = split_keys(fields.text(request.secret, "key", TEXT_FIELDS["secret"][1]))
    address = fields.text(request.base_url, "base_url", TEXT_FIELDS["base_url"][1]) or row.base_url
    if address and address != row.base_url and "://" in address and not address.startswith(("http://", "https://")):
        raise InvalidRequest("The address must begin with http:// or https://.", param="base_url")
    return Channel(
        id=0,
        type=request.type,
        name="",
        keys=(ChannelKey(0, keys[0] if keys else ""),),
        base_url=address,
        models=frozenset(),
        groups=frozenset(),
        priority=0,
        weight=0,
    )
