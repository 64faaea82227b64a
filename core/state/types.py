"""The types a request reads: accounts, keys, channels, the snapshot.

All are immutable: the snapshot is replaced part by part, never changed. They
are plain values, so that routing, pricing and vendors can be pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from core.state.channel_extras import ChannelLimits, Window

if TYPE_CHECKING:
    from core.pricing.tables import PriceTables
    from core.state.options import Options

ENABLED = 1
DISABLED_BY_HAND = 2
DISABLED_AUTOMATICALLY = 3
"""States of channels and of single channel keys (New API's numbers)."""

KEY_DISABLED = 2
KEY_EXPIRED = 3
KEY_EXHAUSTED = 4
"""States of API keys beside ENABLED."""

ROLE_USER = 1
ROLE_ADMIN = 10
ROLE_ROOT = 100

NEVER = -1
"""expires_at of keys without an end."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A subscription's purse of this period."""

    purse_id: int
    until: int
    """Unix seconds: the end of the period, or of the subscription."""
    overflow: bool
    """Whether the wallet may pay once it is used up."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays."""

    id: int
    username: str
    role: int
    status: int
    group: str
    purse_id: int
    session_epoch: int = 0
    """Sessions opened before this (Unix seconds) are no longer valid."""
    billing_preference: str = "subscription_first"
    allowances: tuple[Allowance, ...] = ()
    """Of subscriptions that run, the earliest end first."""
    accept_unset_price: bool = False
    record_address: bool = False


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may do beside its quota; 0, "" and empty limit nothing. budget_period: day, week, month."""

    requests: int
    tokens: int
    concurrency: int
    budget_units: int
    budget_period: str
    operations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Key:
    """What a program calls with. purse_id is 0 for unlimited keys."""

    id: int
    account_id: int
    name: str
    status: int
    expires_at: int
    purse_id: int
    models: frozenset[str] | None
    """None: any model."""
    networks: tuple[IPv4Network | IPv6Network, ...]
    group: str
    cross_group_retry: bool
    limits: KeyLimits | None = None
    """None: none, as with most keys."""


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """One of a channel's keys that is enabled."""

    index: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a vendor, as routing and vendors read it. Only enabled channels are in the snapshot.

    base_url is never empty here: the type's own address is filled in. Maps are
    parsed; a channel whose JSON cannot be parsed has defect set, and trying it is
    a ChannelError.
    """

    id: int
    type: int
    name: str
    keys: tuple[ChannelKey, ...]
    base_url: str
    models: frozenset[str]
    groups: frozenset[str]
    priority: int
    weight: int
    model_mapping: Mapping[str, str] = field(default_factory=dict)
    status_code_mapping: Mapping[int, int] = field(default_factory=dict)
    param_override: Mapping[str, Any] = field(default_factory=dict)
    header_override: Mapping[str, str] = field(default_factory=dict)
    setting: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    other: str = ""
    organization: str = ""
    test_model: str = ""
    auto_ban: bool = True
    created: int = 0
    """Unix seconds; 0: not known."""
    multi_key_mode: str = ""
    """"", "random" or "polling"."""
    defect: str = ""
    limits: ChannelLimits | None = None
    windows: tuple[Window, ...] = ()
    """Weights by the clock; where none holds, weight does."""
    cost: float = 1.0
    """What the vendor takes here beside elsewhere; for a choice by cost."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Channels of one priority that serve one model for one group."""

    priority: int
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a request reads of what administrators set.

    abilities: group -> model -> tiers, highest priority first.
    """

    version: int
    channels: Mapping[int, Channel]
    abilities: Mapping[str, Mapping[str, tuple[Tier, ...]]]
    options: Options
    prices: PriceTables


@dataclass(slots=True)
class Principal:
    """Who is calling, proven; not to be changed.

    key is None for sessions and access tokens. pinned_channel_id is 0 unless an
    administrator's key named a channel.
    """

    account: Account
    key: Key | None
    pinned_channel_id: int = 0
    client_address: str = ""
