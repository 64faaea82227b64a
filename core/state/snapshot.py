"""Builds the snapshot: what administrators set, parsed once, off the hot path."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from core.pricing.tables import PriceTables
from core.state.channel_extras import NOTHING, extras
from core.state.options import Options
from core.state.types import ENABLED, Channel, ChannelKey, Snapshot, Tier
from core.store import models
from core.store.channels import split_keys
from core.vendors.registry import vendor

JSON_COLUMNS = (
    "model_mapping",
    "status_code_mapping",
    "param_override",
    "header_override",
    "setting",
    "settings",
)


def names(text: str) -> frozenset[str]:
    """A comma list."""
    return frozenset(part for part in (piece.strip() for piece in text.split(",")) if part)


ONLY_ENABLED = frozenset({ENABLED})


def channel_of(row: models.Channel, key_states: frozenset[int] = ONLY_ENABLED) -> Channel:
    """A row with its JSON parsed; what cannot be parsed becomes the channel's defect.

    key_states: which keys of a channel with several it has.
    """
    parsed: dict[str, Any] = {}
    defect = ""
    for column in JSON_COLUMNS:
        text = getattr(row, column)
        try:
            value = json.loads(text) if text and text.strip() else {}
            if not isinstance(value, dict):
                raise ValueError("not an object")
        except ValueError:
            value, defect = {}, f"{column} is not a JSON object"
        parsed[column] = value
    try:
        statuses = {int(old): int(new) for old, new in parsed["status_code_mapping"].items()}
    except (TypeError, ValueError):
        statuses, defect = {}, "status_code_mapping does not map numbers to numbers"
    try:
        more = extras(parsed["settings"])
    except ValueError as error:
        more, defect = NOTHING, str(error)
    try:
        info = json.loads(row.channel_info or "{}")
        if not isinstance(info, dict):
            raise ValueError("not an object")
    except ValueError:
        info, defect = {}, "channel_info is not a JSON object"
    multi = bool(info.get("is_multi_key"))
    states = info.get("multi_key_status_list") or {}
    secrets = split_keys(row.key) if multi else [row.key.strip()]
    keys = tuple(
        ChannelKey(index, secret)
        for index, secret in enumerate(secrets)
        if not multi or states.get(str(index), ENABLED) in key_states
    )
    kind = vendor(row.type)
    if kind is None and not defect:
        defect = f"type {row.type} is not known"
    base_url = (row.base_url or (kind.base_url if kind is not None else "")).rstrip("/")
    if not base_url and not defect:
        defect = "it needs a base URL"
    return Channel(
        id=row.id,
        type=row.type,
        name=row.name,
        keys=keys,
        base_url=base_url,
        models=names(row.models),
        groups=names(row.group) or frozenset({"default"}),
        priority=row.priority,
        weight=max(0, row.weight),
        model_mapping={str(old): str(new) for old, new in parsed["model_mapping"].items()},
        status_code_mapping=statuses,
        param_override=parsed["param_override"],
        header_override={str(name): str(value) for name, value in parsed["header_override"].items()},
        setting=parsed["setting"],
        settings=parsed["settings"],
        other=row.other,
        organization=row.open_ai_organization,
        test_model=row.test_model,
        auto_ban=bool(row.auto_ban),
        created=row.created_time or 0,
        multi_key_mode=info.get("multi_key_mode") or "random" if multi else "",
        defect=defect,
        limits=more.limits,
        windows=more.windows,
        cost=more.cost,
    )


def abilities_of(channels: Iterable[Channel]) -> dict[str, dict[str, tuple[Tier, ...]]]:
    """Group -> model -> tiers, highest priority first."""
    found: dict[str, dict[str, dict[int, list[Channel]]]] = {}
    for channel in channels:
        for group in channel.groups:
            served = found.setdefault(group, {})
            for model in channel.models:
                served.setdefault(model, {}).setdefault(channel.priority, []).append(channel)
    return {
        group: {
            model: tuple(Tier(priority, tuple(tiers[priority])) for priority in sorted(tiers, reverse=True))
            for model, tiers in served.items()
        }
        for group, served in found.items()
    }


def build(version: int, rows: Iterable[models.Channel], options: Mapping[str, str]) -> Snapshot:
    """A whole snapshot."""
    channels = {row.id: channel_of(row) for row in rows if row.status == ENABLED}
    return Snapshot(
        version=version,
        channels=channels,
        abilities=abilities_of(channels.values()),
        options=Options.parse(options),
        prices=PriceTables.parse(options),
    )
