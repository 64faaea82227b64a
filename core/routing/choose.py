"""The order in which channels are tried: groups, priorities, weights, health. Pure but for the health it is given."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import ChannelError, ChannelPinRefused, GroupNotAllowed, ModelNotAllowed, ModelNotFound, NoChannel
from core.pricing.tables import normalised
from core.routing.guides import UNGUIDED, Guides, Ready, by_name
from core.routing.health import Health
from core.routing.mapping import map_model
from core.state.channel_extras import weight_at
from core.state.options import Options
from core.state.types import Channel, ChannelKey, Principal, Snapshot, Tier
from core.vendors.registry import vendor

AUTO = "auto"
_NOTHING: Mapping[str, tuple[Tier, ...]] = {}


@dataclass(slots=True)
class Candidate:
    """A channel, one of its keys, and the group it was found in."""

    channel: Channel
    key: ChannelKey
    group: str


class Plan:
    """Gives candidates one after the other; failed() rules one out for this request."""

    def __init__(
        self,
        groups: Sequence[tuple[str, tuple[Tier, ...]]],
        tries: int,
        health: Health,
        rng: random.Random,
        native_form: str = "",
        cross_group: bool = False,
        model: str = "",
        guides: Guides = UNGUIDED,
    ) -> None:
        self._groups = groups
        self._guides = guides
        self._recalled = guides.kept is not None and guides.kept.channel_id > 0
        """The conversation's channel is still to be asked first."""
        self.tokens = 0
        """What the request is expected to cost of a channel's limit."""
        self.full = ""
        """The limit that kept a channel from being asked."""
        self._tries = tries
        self._health = health
        self._rng = rng
        self._native_form = native_form
        self._cross_group = cross_group
        self._model = model
        self._group = 0
        self._tier = 0
        self._count = 0
        self._used: set[tuple[int, int]] = set()
        self._used_channels: set[int] = set()
        self._unfit: set[int] = set()
        self._tier_before = 0

    @property
    def group(self) -> str:
        """The group the next candidate comes from."""
        return self._groups[min(self._group, len(self._groups) - 1)][0]

    def failed(self, candidate: Candidate) -> None:
        """Rules out a channel's key for the rest of the request."""
        self._used.add((candidate.channel.id, candidate.key.index))
        self._used_channels.add(candidate.channel.id)

    def unfit(self, candidate: Candidate) -> None:
        """Rules out a channel whose vendor cannot hold the request: it was not asked, and takes no try away."""
        self._unfit.add(candidate.channel.id)
        self._count -= 1
        self._tier = self._tier_before

    def next(self, now: float) -> Candidate | None:
        """The next candidate; None when the tries are used up or nothing is left."""
        if self._recalled:
            self._recalled = False
            candidate = self._remembered(now)
            if candidate is not None:
                self._count += 1
                self._tier_before = self._tier
                self._health.claim(candidate.channel.id, candidate.key.index, now)
                return candidate
        while self._group < len(self._groups):
            if self._count >= self._tries:
                if not self._cross_group:
                    return None
                self._next_group()
                continue
            name, tiers = self._groups[self._group]
            last = self._group == len(self._groups) - 1
            candidate = self._pick(name, tiers, now, repeat=last or not self._cross_group)
            if candidate is not None:
                self._count += 1
                self._tier_before = self._tier
                self._tier = min(self._tier + 1, len(tiers) - 1)
                self._health.claim(candidate.channel.id, candidate.key.index, now)
                return candidate
            if not self._cross_group and self._count:
                return None
            self._next_group()
        return None

    def first(self, now: float) -> tuple[str, list[tuple[Channel, float]]]:
        """The group whose channels are asked first, and each one's chance of being it; changes nothing."""
        if self._recalled and (found := self._remembered(now)) is not None:
            return found.group, [(found.channel, 1.0)]
        for group, tiers in self._groups:
            for tier in tiers:
                ready = [(channel, keys) for channel in tier.channels if (keys := self._keys(channel, now))]
                if ready:
                    return group, self._chances(self.spoken(ready), now)
            waiting = [
                (self._health.free_at(channel.id, key.index), place, channel)
                for place, tier in enumerate(tiers)
                for channel in tier.channels
                if channel.limits is None or not self._full(channel, now)
                for key in channel.keys
            ]
            if waiting:
                return group, [(min(waiting, key=lambda item: item[:2])[2], 1.0)]
        return self.group, []

    def _chances(self, ready: list[Ready], now: float) -> list[tuple[Channel, float]]:
        channels = [channel for channel, _ in ready]
        weights = self.weights(ready)
        if (kept := self._guides.kept) is not None:
            place = by_name(kept.seed, [channel.id for channel in channels], weights)
            return [(channels[place], 1.0)]
        shares = [weight / sum(weights) for weight in weights]
        if self._guides.speed is None:
            return list(zip(channels, shares, strict=True))
        scores = [self.score(channel, now) for channel in channels]
        found = [0.0] * len(shares)
        for one, first in enumerate(shares):
            for two, second in enumerate(shares):
                found[min(one, two, key=lambda place: scores[place])] += first * second
        return list(zip(channels, found, strict=True))

    def _remembered(self, now: float) -> Candidate | None:
        """Where the conversation was, if that channel still serves it and is well."""
        kept = self._guides.kept
        assert kept is not None
        for number, (group, tiers) in enumerate(self._groups):
            for tier in tiers:
                for channel in tier.channels:
                    if channel.id == kept.channel_id and (keys := self._keys(channel, now)):
                        self._group = number
                        return Candidate(channel, self._key(channel, keys), group)
        return None

    def holds(self, channel_id: int) -> bool:
        """Whether a channel is among those that serve the request, well or not."""
        return bool(self.group_of(channel_id))

    def group_of(self, channel_id: int) -> str:
        """The group a channel is found in first; "" for none."""
        for group, tiers in self._groups:
            if any(channel.id == channel_id for tier in tiers for channel in tier.channels):
                return group
        return ""

    def _next_group(self) -> None:
        self._group += 1
        self._tier = 0
        self._count = 0

    def _pick(self, group: str, tiers: tuple[Tier, ...], now: float, repeat: bool) -> Candidate | None:
        """From this tier down, then above: fresh channels that are well, then fresh keys, then the soonest free.

        repeat: what failed in this request may be tried once more where nothing else remains.
        """
        order = [*tiers[self._tier :], *reversed(tiers[: self._tier])]
        for fresh_only in (True, False):
            for tier in order:
                ready = [
                    (channel, keys)
                    for channel in tier.channels
                    if not (fresh_only and channel.id in self._used_channels) and (keys := self._keys(channel, now))
                ]
                if ready:
                    channel, keys = self._weigh(ready, now)
                    return Candidate(channel, self._key(channel, keys), group)
        resting = [
            (self._health.free_at(channel.id, key.index), place, channel, key)
            for place, tier in enumerate(order)
            for channel in tier.channels
            if channel.id not in self._unfit and (channel.limits is None or not self._full(channel, now))
            for key in channel.keys
            if (channel.id, key.index) not in self._used
        ]
        if not resting:
            if not self._used or not repeat:
                return None
            self._used.clear()
            self._used_channels.clear()
            return self._pick(group, tiers, now, repeat=False)
        _, _, channel, key = min(resting, key=lambda item: item[:2])
        return Candidate(channel, key, group)

    def _full(self, channel: Channel, now: float) -> bool:
        meters = self._guides.meters
        assert channel.limits is not None
        limit = meters.full(channel.id, channel.limits, self.tokens, now) if meters is not None else ""
        self.full = limit or self.full
        return bool(limit)

    def _keys(self, channel: Channel, now: float) -> list[ChannelKey]:
        if channel.id in self._unfit or (channel.limits is not None and self._full(channel, now)):
            return []
        return [
            key
            for key in channel.keys
            if (channel.id, key.index) not in self._used and self._health.available(channel.id, key.index, now)
        ]

    def _weigh(self, ready: list[Ready], now: float = 0.0) -> Ready:
        if len(ready) == 1:
            return ready[0]
        ready = self.spoken(ready)
        if len(ready) == 1:
            return ready[0]
        kept, speed = self._guides.kept, self._guides.speed
        if kept is None and speed is None:
            total = 0
            for channel, _ in ready:
                if channel.windows:
                    break
                total += channel.weight
            else:
                # What most requests are: nothing but weights counts.
                if not total:
                    return ready[self._rng.randrange(len(ready))]
                point = self._rng.randrange(total)
                for item in ready:
                    point -= item[0].weight
                    if point < 0:
                        return item
        weights = self.weights(ready)
        if kept is not None:
            return ready[by_name(kept.seed, [channel.id for channel, _ in ready], weights)]
        total = sum(weights)
        first = self._draw(weights, total)
        if speed is None:
            return ready[first]
        second = self._draw(weights, total)
        return ready[min(first, second, key=lambda place: self.score(ready[place][0], now))]

    def spoken(self, ready: list[Ready]) -> list[Ready]:
        """Those that speak the client's dialect, where that counts and there are any."""
        if not self._native_form:
            return ready
        return [item for item in ready if _speaks(item[0], self._native_form, self._model)] or ready

    def weights(self, ready: list[Ready]) -> list[int]:
        """Their weights just now; all 0: even."""
        found = [
            channel.weight if not channel.windows else weight_at(channel.weight, channel.windows, self._guides.minute())
            for channel, _ in ready
        ]
        return found if any(found) else [1] * len(found)

    def score(self, channel: Channel, now: float) -> tuple[float, float]:
        """Less is better: cost, where that counts, then milliseconds; what is not known is worth a try."""
        speed = self._guides.speed
        known = speed.of(channel.id, self._model, now) if speed is not None else None
        return (channel.cost if self._guides.by_cost else 0.0), (known or 0.0)

    def _draw(self, weights: list[int], total: int) -> int:
        point = self._rng.randrange(total)
        for place, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return place
        raise AssertionError("the weights add up to more than their sum")

    def _key(self, channel: Channel, keys: list[ChannelKey]) -> ChannelKey:
        if len(keys) == 1:
            return keys[0]
        kept = self._guides.kept
        if kept is not None:
            if kept.channel_id == channel.id and (known := [key for key in keys if key.index == kept.key_index]):
                return known[0]
            return keys[by_name(kept.seed, [-1 - key.index for key in keys], [1] * len(keys))]
        if channel.multi_key_mode == "polling":
            turn = _turns.get(channel.id, 0)
            _turns[channel.id] = turn + 1
            return keys[turn % len(keys)]
        return keys[self._rng.randrange(len(keys))]


_turns: dict[int, int] = {}
"""Whose turn it is in polling channels; one small number a channel."""


def _speaks(channel: Channel, form: str, model: str) -> bool:
    row = vendor(channel.type)
    if row is None:
        return False
    if not any(known.name == form for forms in row.forms() for known in forms):
        return False
    try:
        return row.serves(form, map_model(channel, model), channel.base_url)
    except ChannelError:
        return False


def groups_of(options: Options, principal: Principal, group: str = "") -> tuple[str, tuple[str, ...]]:
    """The group in use, and the groups that channels are looked for in: itself, or those that "auto" means.

    group: the playground's choice. Raises GroupNotAllowed.
    """
    key, account = principal.key, principal.account
    wanted = group or (key.group if key is not None and key.group else account.group)
    if principal.pinned_channel_id:
        return wanted, (wanted,)
    usable = options.usable(account.group)
    if wanted == AUTO:
        return wanted, tuple(name for name in options.auto_groups if name in usable)
    if wanted not in usable or (wanted not in options.group_names and wanted != account.group):
        raise GroupNotAllowed(f"The group {wanted} may not be used.")
    return wanted, (wanted,)


def make_plan(
    snapshot: Snapshot,
    principal: Principal,
    model: str,
    native_form: str,
    health: Health,
    rng: random.Random,
    now: float,
    group: str = "",
    bound: bool = False,
    holder: tuple[int, int] | None = None,
    guides: Guides = UNGUIDED,
) -> Plan:
    """The plan of a request.

    bound: it goes on from what vendors of its own form alone hold. holder: the channel and key that are known to.

    Raises ChannelPinRefused, GroupNotAllowed, ModelNotAllowed, ModelNotFound
    (nobody serves it in any group), NoChannel (nobody the caller may use).
    """
    options = snapshot.options
    key = principal.key
    wanted, names = groups_of(options, principal, group)
    if principal.pinned_channel_id:
        return _pinned(snapshot, principal, wanted, health, rng)
    general = normalised(model)
    if key is not None and key.models is not None and not key.models & {model, general}:
        raise ModelNotAllowed(param="model")
    groups = []
    for name in names:
        served = snapshot.abilities.get(name, _NOTHING)
        tiers = served.get(model) or served.get(general)
        if tiers:
            groups.append((name, tiers))
    if not groups:
        if any(model in served or general in served for served in snapshot.abilities.values()):
            raise NoChannel(f"No channel serves the model {model} in the group {wanted}.", param="model")
        raise ModelNotFound(f"The model {model} does not exist, or nobody serves it here.", param="model")
    if holder is not None:
        groups = _of_one(groups, *holder)
    elif bound:
        groups = _holders(groups, native_form, model) or groups
    cross = wanted == AUTO and key is not None and key.cross_group_retry
    form = native_form if options.prefer_same_dialect else ""
    return Plan(groups, options.retry_times + 1, health, rng, form, cross, model, guides)


def _of_one(
    groups: list[tuple[str, tuple[Tier, ...]]], channel_id: int, key_index: int
) -> list[tuple[str, tuple[Tier, ...]]]:
    """The groups with one channel and one of its keys alone. Raises NoChannel where it serves the model no more."""
    found: list[tuple[str, tuple[Tier, ...]]] = []
    for name, tiers in groups:
        for tier in tiers:
            for channel in tier.channels:
                keys = tuple(key for key in channel.keys if key.index == key_index)
                if channel.id == channel_id and keys:
                    found.append((name, (Tier(tier.priority, (replace(channel, keys=keys),)),)))
    if not found:
        raise NoChannel("The channel whose vendor keeps the answer before is not available now.", param="model")
    return found


def _holders(groups: list[tuple[str, tuple[Tier, ...]]], form: str, model: str) -> list[tuple[str, tuple[Tier, ...]]]:
    """The groups with those channels alone that speak a form."""
    found = []
    for name, tiers in groups:
        kept = [(tier.priority, tuple(one for one in tier.channels if _speaks(one, form, model))) for tier in tiers]
        if speaking := tuple(Tier(priority, channels) for priority, channels in kept if channels):
            found.append((name, speaking))
    return found


def _pinned(snapshot: Snapshot, principal: Principal, group: str, health: Health, rng: random.Random) -> Plan:
    channel = snapshot.channels.get(principal.pinned_channel_id)
    if channel is None:
        raise ChannelPinRefused()
    return Plan([(group, (Tier(0, (channel,)),))], 1, health, rng)
