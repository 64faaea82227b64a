"""Messages as New API's JSON objects, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from isthmus.v1 import access_pb2, admin_pb2

from front.errors import bad
from front.rest.sent import INT32, INT64, Sent

IDENTITIES = {
    "github_id": "github", "discord_id": "discord", "oidc_id": "oidc", "wechat_id": "wechat",
    "telegram_id": "telegram", "linux_do_id": "linuxdo",
}  # fmt: skip
"""New API's columns, and the provider each is of."""


def account(found: access_pb2.Account) -> dict[str, Any]:
    """A user."""
    return {
        "id": found.id,
        "username": found.username,
        "display_name": found.display_name,
        "role": found.role,
        "status": found.status,
        "email": found.email,
        **{column: found.identities.get(provider, "") for column, provider in IDENTITIES.items()},
        "group": found.group,
        "quota": found.quota,
        "used_quota": found.used_quota,
        "request_count": found.request_count,
        "aff_code": found.invitation_code,
        "aff_count": found.invited_count,
        "aff_quota": found.invitation_quota,
        "aff_history_quota": found.invitation_quota_total,
        "inviter_id": found.inviter_id,
        "setting": found.settings_json,
        "remark": found.remark,
        "created_at": found.created_at,
        "last_login_at": found.last_login_at,
        "DeletedAt": when(found.deleted_at),
    }


def user(found: access_pb2.Account) -> dict[str, Any]:
    """A user as administrators see it; what New API writes empty is empty."""
    return {**account(found), "password": "", "original_password": "", "verification_code": ""}


def when(seconds: int) -> str | None:
    """RFC 3339, or null for never."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def key(found: admin_pb2.ApiKey) -> dict[str, Any]:
    """A token; its key is masked."""
    return {
        "id": found.id,
        "user_id": found.account_id,
        "key": found.masked,
        "status": found.status,
        "name": found.name,
        "created_time": found.created_at,
        "accessed_time": found.accessed_at,
        "expired_time": found.expires_at,
        "remain_quota": found.remaining_quota,
        "unlimited_quota": found.unlimited_quota,
        "used_quota": found.used_quota,
        "model_limits_enabled": found.model_limits_enabled,
        "model_limits": ",".join(found.models),
        "allow_ips": "\n".join(found.allowed_networks),
        "group": found.group,
        "cross_group_retry": found.cross_group_retry,
        "limits": {
            **{name: getattr(found.limits, name) for name in (*KEY_RATES, "budget_period")},
            "operations": list(found.limits.operations),
        },
        "DeletedAt": None,
    }


KEY_RATES = ("requests_per_minute", "tokens_per_minute", "concurrency", "budget_units")


def to_key(body: Sent) -> admin_pb2.ApiKey:
    """A token as it is sent: the members a client may set, no others. Raises FrontError 400."""
    limits = None
    if body.has("limits"):
        told = body.part("limits")
        limits = admin_pb2.KeyLimits(budget_period=told.text("budget_period"), operations=_texts(told, "operations"))
        for name in KEY_RATES:
            setattr(limits, name, told.number(name))
    return admin_pb2.ApiKey(
        limits=limits,
        id=body.number("id"),
        name=body.text("name"),
        status=body.number("status", 0, INT32),
        expires_at=body.number("expired_time", -1),
        remaining_quota=body.number("remain_quota"),
        unlimited_quota=body.flag("unlimited_quota"),
        model_limits_enabled=body.flag("model_limits_enabled"),
        models=names(body.text("model_limits")),
        allowed_networks=body.text("allow_ips").replace(",", "\n").split(),
        group=body.text("group"),
        cross_group_retry=body.flag("cross_group_retry"),
    )


def _texts(body: Sent, name: str) -> list[str]:
    """A list of texts. Raises FrontError 400."""
    found = body.raw(name) if body.has(name) else []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise bad(f"{name} must be a list of texts.", name)
    return list(found)


def names(text: str) -> list[str]:
    """A comma list."""
    return [name.strip() for name in text.split(",") if name.strip()]


CHANNEL_TEXTS = {
    "name": "name", "key": "secret", "base_url": "base_url", "model_mapping": "model_mapping_json",
    "status_code_mapping": "status_code_mapping_json", "param_override": "param_override_json",
    "header_override": "header_override_json", "setting": "setting_json", "settings": "settings_json",
    "other": "other", "openai_organization": "organization", "test_model": "test_model", "tag": "tag",
    "remark": "remark",
}  # fmt: skip
CHANNEL_NUMBERS = {
    "id": ("id", INT64), "type": ("type", INT32), "status": ("status", INT32), "priority": ("priority", INT64),
    "weight": ("weight", INT64),
}  # fmt: skip
CHANNEL_LISTS = {"models": "models", "group": "groups"}
KEPT_WHEN_EMPTY = frozenset({"key", "models", "group", "name", "status", "settings", "type"})
"""Members of an update that leave the value where they are empty or 0; the others are written."""


def to_channel(body: Sent, *, update: bool = False) -> tuple[admin_pb2.Channel, list[str]]:
    """A channel as it is sent, and the names of the fields to write. Raises FrontError 400.

    Figures (balance, used quota, times) and channel_info are never taken from a client.
    """
    found = admin_pb2.Channel(status=0 if update else 1, auto_ban=True)
    sent = []

    def write(name: str, field: str, value: Any) -> None:
        if not body.has(name) or (update and not value and name in KEPT_WHEN_EMPTY):
            return
        if isinstance(value, list):
            getattr(found, field).extend(value)
        else:
            setattr(found, field, value)
        sent.append(field)

    for name, field in CHANNEL_TEXTS.items():
        write(name, field, body.text(name))
    for name, (field, most) in CHANNEL_NUMBERS.items():
        write(name, field, body.number(name, 0, most))
    for name, field in CHANNEL_LISTS.items():
        write(name, field, names(body.text(name)))
    write("auto_ban", "auto_ban", bool(body.number("auto_ban", 1)))
    found.multi_key_mode = body.text("multi_key_mode")
    if found.multi_key_mode:
        sent.append("multi_key_mode")
    return found, [field for field in sent if field != "id"]


def channel(found: admin_pb2.Channel) -> dict[str, Any]:
    """A channel; its key is not told."""
    shown = {name: getattr(found, field) for name, field in CHANNEL_TEXTS.items() if field != "secret"}
    shown.update({name: getattr(found, field) for name, (field, _) in CHANNEL_NUMBERS.items()})
    return {
        **shown,
        "key": "",
        "models": ",".join(found.models),
        "group": ",".join(found.groups),
        "auto_ban": int(found.auto_ban),
        "created_time": found.created_at,
        "test_time": found.tested_at,
        "response_time": found.response_ms,
        "balance": found.balance,
        "used_quota": found.used_quota,
        "other_info": found.other_info_json,
        "channel_info": {
            "is_multi_key": found.multi_key,
            "multi_key_size": found.key_count if found.multi_key else 0,
            "multi_key_mode": found.multi_key_mode,
            "multi_key_status_list": {str(state.index): state.status for state in found.key_states},
        },
    }
