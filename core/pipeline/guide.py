"""What leads a request to a channel beside priorities and weights, and what is learnt of how it went."""

from __future__ import annotations

import datetime
import time
from zoneinfo import ZoneInfo

from core.errors import ChannelError, IsthmusError
from core.link.call import CallInfo
from core.pipeline.affine import conversation
from core.pipeline.attempt import retry_status
from core.pipeline.exchange import Exchange
from core.routing.affinity import Affinity, Conversation
from core.routing.choose import Candidate, Plan
from core.routing.guides import Guides
from core.routing.health import tells
from core.routing.meters import Meters
from core.routing.speed import Speed
from core.settings import CoreSettings

BY_WEIGHT = "weight"


class Guide:
    """Conversations' places, channels' speed, how full channels are."""

    def __init__(self, settings: CoreSettings) -> None:
        self.affinity = Affinity()
        self.speed = Speed()
        self.meters = Meters(settings.data, settings.slot)
        self._zone: datetime.tzinfo = ZoneInfo(settings.time_zone) if settings.time_zone else datetime.UTC
        self.plain = Guides(meters=self.meters, minute=self.minute)
        """Of requests that nothing else leads."""

    def minute(self) -> int:
        """Minutes since Monday began, where the operator is."""
        now = datetime.datetime.now(self._zone)
        return (now.weekday() * 24 + now.hour) * 60 + now.minute

    def of(self, exchange: Exchange, info: CallInfo, group: str, now: float) -> Guides:
        """A request's guides; its conversation is noted with it. group: the group in use."""
        options = exchange.snapshot.options
        policy, choice = options.affinity, options.channel_choice
        if policy.enabled and not policy.keep and not policy.matching(exchange.envelope.model, exchange.envelope.path):
            return self.plain if choice == BY_WEIGHT else self.guides(None, choice)
        if (policy.enabled or policy.keep) and not exchange.principal.pinned_channel_id:
            exchange.conversation = conversation(policy, exchange, info, group)
            if exchange.conversation is not None:
                self.affinity.recall(exchange.conversation, now)
        return self.guides(exchange.conversation, choice)

    def guides(self, kept: Conversation | None, choice: str) -> Guides:
        """Those of a conversation, under a way to choose."""
        if kept is None and choice == BY_WEIGHT:
            return self.plain
        return Guides(kept, self.speed if choice != BY_WEIGHT else None, choice == "cost", self.meters, self.minute)

    # -- attempts -----------------------------------------------------------------------------

    def begins(self, exchange: Exchange, plan: Plan, candidate: Candidate, now: float) -> None:
        """An attempt sets out; one that could not gives its place back."""
        if exchange.taken is not None:
            self._give_back(exchange, 0)
        if candidate.channel.limits is not None:
            exchange.taken = self.meters.take(candidate.channel.id, plan.tokens, now)

    def answered(self, exchange: Exchange, plan: Plan, candidate: Candidate, seconds: float, now: float) -> None:
        """An attempt's answer began: the conversation goes on there, unless the options say otherwise."""
        options = exchange.snapshot.options
        if options.channel_choice != BY_WEIGHT and exchange.envelope.stream:
            self.speed.note(candidate.channel.id, exchange.envelope.model, seconds * 1000, now)
        kept, policy = exchange.conversation, options.affinity
        if kept is None:
            return
        known = kept.channel_id
        if known and known != candidate.channel.id:
            keeps = policy.keep_disabled if not plan.holds(known) else not policy.switch
            if keeps:
                return
        self.affinity.remember(kept, candidate.channel.id, candidate.key.index, policy.most, now)

    def failed(self, exchange: Exchange, candidate: Candidate, error: IsthmusError) -> bool:
        """An attempt failed; whether the request takes that for an answer.

        A conversation does where its rule says so, and where the failure is no sign that its channel is unwell.
        """
        self._give_back(exchange, 0)
        kept = exchange.conversation
        if kept is None or kept.rule is None or not kept.rule.no_retry or kept.channel_id != candidate.channel.id:
            return False
        return not isinstance(error, ChannelError) and not tells(retry_status(error))

    def _give_back(self, exchange: Exchange, tokens: int) -> None:
        if exchange.taken is not None:
            self.meters.give(exchange.taken, tokens, time.monotonic())
            exchange.taken = None

    def ended(self, exchange: Exchange) -> None:
        """A request is over, settled or not."""
        usage = exchange.usage
        if exchange.conversation is not None and usage is not None:
            self.affinity.used(exchange.conversation, usage, int(time.time()))
        if exchange.taken is not None:
            self._give_back(exchange, usage.input_tokens + usage.output_tokens if usage is not None else 0)
