"""What follows a failed attempt: another channel, or the error; what the breaker learns of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from isthmus.v1 import billing_pb2

from core.errors import ChannelError, InvalidRequest, IsthmusError, UnsupportedFeature, VendorError
from core.pipeline.relay import Relay
from core.routing.choose import Candidate, Plan
from core.settings import CoreSettings
from core.state.options import Options
from core.state.snapshot import abilities_of
from tests.routing.test_choose import channel

CHANNELS = [channel(1, 9), channel(2, 5), channel(3, 1)]


class Run:
    """A request through three channels whose attempts raise these errors in turn, then answer."""

    def __init__(self, *errors: IsthmusError, **options: str) -> None:
        self.errors = list(errors)
        self.tried: list[int] = []
        self.disabled: list[tuple[int, int]] = []
        unused, settings = cast(Any, None), cast(Any, CoreSettings(data=Path("/nowhere")))
        self.relay = Relay(settings, unused, unused, unused, unused, self.disable)
        snapshot = SimpleNamespace(options=Options.parse(options))
        self.exchange: Any = SimpleNamespace(
            request_id="r", attempts=[], group="", snapshot=snapshot, conversation=None, taken=None, usage=None
        )

    async def disable(self, channel_id: int, key_index: int, reason: str) -> None:
        self.disabled.append((channel_id, key_index))

    async def attempt(self, candidate: Candidate, attempt: billing_pb2.Attempt) -> str:
        self.tried.append(candidate.channel.id)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def go(self, tries: int = 3) -> str:
        tiers = abilities_of(CHANNELS)["default"]["m"]
        plan = Plan([("default", tiers)], tries, self.relay.health, self.relay.rng)
        try:
            return await self.relay.try_channels(self.exchange, plan, self.attempt)
        finally:
            for chore in list(self.relay._chores):
                await chore


async def test_failures_go_on_to_the_next_channel() -> None:
    run = Run(VendorError("x", http_status=500), VendorError("x", http_status=429))
    assert await run.go() == "answer"
    assert run.tried == [1, 2, 3]
    assert [(item.http_status, item.reason) for item in run.exchange.attempts][:2] == [
        (500, "VENDOR_ERROR"),
        (429, "VENDOR_ERROR"),
    ]


@pytest.mark.parametrize("status", [400, 408, 504, 524])
async def test_some_failures_are_the_answer(status: int) -> None:
    run = Run(VendorError("x", http_status=status))
    with pytest.raises(VendorError):
        await run.go()
    assert run.tried == [1]


async def test_a_channel_that_is_set_up_wrongly_never_ends_a_request() -> None:
    run = Run(ChannelError("loop"), AutomaticRetryStatusCodes="429")
    assert await run.go() == "answer"
    assert run.tried == [1, 2]
    assert run.disabled == []


async def test_a_channel_that_is_set_up_wrongly_is_disabled_where_that_is_on() -> None:
    run = Run(ChannelError("loop"), AutomaticDisableChannelEnabled="true")
    await run.go()
    assert run.disabled == [(1, 0)]


async def test_own_refusals_are_not_retried_and_keep_no_probe() -> None:
    run = Run(InvalidRequest("no"))
    run.relay.health.failure(1, 0, 429, 1, 0.0)
    with pytest.raises(InvalidRequest):
        await run.go()
    assert run.tried == [1]
    assert run.relay.health.available(1, 0, 1.0)


async def test_what_one_vendor_cannot_hold_goes_to_one_that_can() -> None:
    """It was not asked: no try is gone, its health is what it was, and no other key of it is tried."""
    run = Run(UnsupportedFeature("no"))
    run.relay.health.failure(1, 0, 429, 1, 0.0)
    assert await run.go(tries=1) == "answer"
    assert run.tried == [1, 2]
    assert run.relay.health.available(1, 0, 1.0)
    assert [item.reason for item in run.exchange.attempts] == ["UNSUPPORTED_FEATURE", ""]


async def test_what_nobody_can_hold_is_refused_with_the_first_reason() -> None:
    run = Run(UnsupportedFeature("first"), UnsupportedFeature("second"), UnsupportedFeature("third"))
    with pytest.raises(UnsupportedFeature, match="first"):
        await run.go(tries=1)
    assert run.tried == [1, 2, 3]


async def test_a_vendors_failure_says_more_than_what_another_cannot_hold() -> None:
    run = Run(UnsupportedFeature("no"), VendorError("down", http_status=500))
    with pytest.raises(VendorError, match="down"):
        await run.go(tries=1)
    assert run.tried == [1, 2]
