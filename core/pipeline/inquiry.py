"""Questions to a vendor beside requests: which models it has, what is left of a channel's money."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal, InvalidOperation

from core.errors import ChannelError, InvalidRequest, RecordNotFound, VendorError, VendorTimeout
from core.pipeline.attempt import broken, failure_error, house_of
from core.pipeline.relay import Relay
from core.state.types import Channel
from core.upstream.interface import Timeouts, UpstreamAnswer, UpstreamFailure, UpstreamRequest
from core.vendors import balance, listing
from core.vendors.interface import BadAnswer, Call, VendorRequest
from core.vendors.shared import refusal

SECONDS = 30.0
"""Longest an inquiry may take, all its pages together."""
ANSWER_LIMIT = 16 << 20
"""Bytes of one answer."""
PRICE = Decimal("7.3")
"""What a dollar costs where option Price does not say."""


class Inquirer:
    """Asks with a channel's own key, address, proxy and headers."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def models(self, channel: Channel) -> list[str]:
        """Every model the vendor lists. Raises InvalidRequest where its type lists none, VendorError, ChannelError."""
        call = self.call(channel)
        found: dict[str, None] = {}
        page = ""
        async with _in_time():
            for _ in range(listing.PAGES_MOST):
                body = await self.ask(listing.listing(call, page), call)
                try:
                    told, page = listing.names(body, call)
                except BadAnswer as error:
                    raise broken(error, call) from error
                found.update(dict.fromkeys(told))
                if not page or len(found) >= listing.MODELS_MOST:
                    break
        return list(found)[: listing.MODELS_MOST]

    async def balance(self, channel: Channel) -> float:
        """What is left, in the vendor's money or dollars. Raises InvalidRequest, VendorError, ChannelError."""
        call = self.call(channel)
        today = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).date()
        async with _in_time():
            bodies = [await self.ask(question, call) for question in balance.questions(call, today)]
        try:
            return float(balance.left(call, bodies, self._price()))
        except BadAnswer as error:
            raise broken(error, call) from error

    def _price(self) -> Decimal:
        told = self._relay.state.snapshot.options.raw.get("Price", "")
        try:
            price = Decimal(told)
        except InvalidOperation:
            return PRICE
        return price if price.is_finite() and price > 0 else PRICE

    def call(self, channel: Channel) -> Call:
        """What a question to a channel is asked with. Raises ChannelError, RecordNotFound, InvalidRequest."""
        if channel.defect:
            raise ChannelError(f"Channel {channel.id} is not set up correctly: {channel.defect}")
        if not channel.keys:
            raise RecordNotFound("The channel has no enabled key.")
        if not channel.base_url:
            raise InvalidRequest("The channel has no address.", param="base_url")
        options = self._relay.state.snapshot.options.raw
        house = house_of(self._relay.settings)
        return Call(channel, channel.keys[0].secret, "", "", False, options=options, house=house)

    async def ask(self, wire: VendorRequest, call: Call) -> bytes:
        """The body of an answer that succeeded. Raises VendorError."""
        answer = await self.open(wire, call)
        try:
            return await answer.read(ANSWER_LIMIT)
        except UpstreamFailure as failure:
            raise failure_error(failure) from failure
        finally:
            await answer.aclose()

    async def open(self, wire: VendorRequest, call: Call, silence: float = SECONDS) -> UpstreamAnswer:
        """An answer that succeeded, its body still to be read; whoever asked closes it. Raises VendorError."""
        timeouts = Timeouts(self._relay.settings.connect_timeout, silence, silence)
        proxy = str(call.channel.setting.get("proxy") or "")
        request = UpstreamRequest(wire.method, wire.url, wire.headers, wire.body, timeouts, proxy)
        try:
            answer = await self._relay.upstream.send(request)
            if 200 <= answer.status < 300:
                return answer
            try:
                body = await answer.read(ANSWER_LIMIT)
            finally:
                await answer.aclose()
        except UpstreamFailure as failure:
            raise failure_error(failure) from failure
        told = refusal.read(answer.status, answer.headers, body, call.secret)
        raise VendorError(told.message, code=told.code, vendor_code=told.kind, http_status=told.status)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """At most SECONDS. Raises VendorTimeout."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise VendorTimeout() from None
