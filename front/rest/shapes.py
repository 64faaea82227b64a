"""Messages as New API's JSON objects, and back."""

from __future__ import annotations

import json
from typing import Any

from isthmus.v1 import access_pb2, admin_pb2, billing_pb2

from front.errors import bad


def account(found: access_pb2.Account) -> dict[str, Any]:
    """A user."""
    return {
        "id": found.id,
        "username": found.username,
        "display_name": found.display_name,
        "role": found.role,
        "status": found.status,
        "email": found.email,
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
    }


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
    }


def _of(body: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = body.get(name, default)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise bad(f"{name} has the wrong type.", name)
    return value


def to_key(body: dict[str, Any]) -> admin_pb2.ApiKey:
    """A token as it is sent. Raises FrontError 400."""
    return admin_pb2.ApiKey(
        id=_of(body, "id", int, 0),
        name=_of(body, "name", str, ""),
        status=_of(body, "status", int, 0),
        expires_at=_of(body, "expired_time", int, -1),
        remaining_quota=_of(body, "remain_quota", int, 0),
        unlimited_quota=_of(body, "unlimited_quota", bool, False),
        model_limits_enabled=_of(body, "model_limits_enabled", bool, False),
        models=[name.strip() for name in _of(body, "model_limits", str, "").split(",") if name.strip()],
        allowed_networks=_of(body, "allow_ips", str, "").replace(",", "\n").split(),
        group=_of(body, "group", str, ""),
        cross_group_retry=_of(body, "cross_group_retry", bool, False),
    )


CHANNEL_TEXTS = {
    "name": "name", "key": "secret", "base_url": "base_url", "model_mapping": "model_mapping_json",
    "status_code_mapping": "status_code_mapping_json", "param_override": "param_override_json",
    "header_override": "header_override_json", "setting": "setting_json", "settings": "settings_json",
    "other": "other", "openai_organization": "organization", "test_model": "test_model", "tag": "tag",
    "remark": "remark",
}  # fmt: skip
CHANNEL_NUMBERS = {"id": "id", "type": "type", "status": "status", "priority": "priority", "weight": "weight"}


def to_channel(body: dict[str, Any]) -> tuple[admin_pb2.Channel, list[str]]:
    """A channel as it is sent, and the names of the fields that were. Raises FrontError 400."""
    found = admin_pb2.Channel(status=1, auto_ban=True)
    sent = []
    for table, kind, empty in ((CHANNEL_TEXTS, str, ""), (CHANNEL_NUMBERS, int, 0)):
        for name, field in table.items():
            if body.get(name) is not None:
                setattr(found, field, _of(body, name, kind, empty))
                sent.append(field)
    for name, field in (("models", "models"), ("group", "groups")):
        if name in body:
            getattr(found, field).extend(
                piece.strip() for piece in _of(body, name, str, "").split(",") if piece.strip()
            )
            sent.append(field)
    if body.get("auto_ban") is not None:
        found.auto_ban = bool(_of(body, "auto_ban", int, 1))
        sent.append("auto_ban")
    return found, [field for field in sent if field != "id"]


def channel(found: admin_pb2.Channel) -> dict[str, Any]:
    """A channel; its key is not told."""
    shown = {name: getattr(found, field) for name, field in CHANNEL_TEXTS.items() if field != "secret"}
    shown.update({name: getattr(found, field) for name, field in CHANNEL_NUMBERS.items()})
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


def log(entry: admin_pb2.LogEntry, admin: bool) -> dict[str, Any]:
    """A line of the log; requests carry their receipt in `other`."""
    held = entry.receipt
    last = held.attempts[-1] if held.attempts else billing_pb2.Attempt()
    return {
        "id": entry.id,
        "user_id": entry.account_id,
        "created_at": entry.created_at,
        "type": entry.type,
        "content": entry.content or held.formula,
        "username": entry.username,
        "token_name": held.key_name,
        "model_name": held.model,
        "quota": held.quota,
        "prompt_tokens": held.usage.input_tokens,
        "completion_tokens": held.usage.output_tokens,
        "use_time": held.duration_ms // 1000,
        "is_stream": held.stream,
        "channel": last.channel_id if admin else 0,
        "channel_name": last.channel_name if admin else "",
        "token_id": held.key_id,
        "group": held.group,
        "ip": held.client_address,
        "request_id": held.request_id,
        "upstream_request_id": last.upstream_request_id if admin else "",
        "other": json.dumps(_other(held, admin)) if held.request_id else "",
    }


def _other(held: billing_pb2.Receipt, admin: bool) -> dict[str, Any]:
    """New API's `other`, and the receipt's own figures."""
    factors = held.factors
    prices = [line.ratio for line in held.lines if line.item == "per_call"]
    other: dict[str, Any] = {
        "model_ratio": float(factors.get("model_ratio", "0")),
        "group_ratio": float(factors.get("group_ratio", "1")),
        "user_group_ratio": -1,
        "completion_ratio": float(factors.get("completion_ratio", "0")),
        "model_price": float(prices[0]) if prices else -1,
        "cache_tokens": held.usage.cached_tokens,
        "cache_ratio": float(factors.get("cache_ratio", "0")),
        "frt": held.first_byte_ms,
        "request_path": held.path,
        "receipt": {
            "formula": held.formula,
            "quota": held.quota,
            "unbilled": held.unbilled,
            "reserved": held.reserved,
            "ending": billing_pb2.Ending.Name(held.ending),
            "lines": [
                {"item": line.item, "quantity": line.quantity, "ratio": line.ratio, "source": line.source,
                 "amount": line.amount}
                for line in held.lines
            ],
        },
    }  # fmt: skip
    if held.HasField("fault"):
        other.update(error_code=held.fault.reason, status_code=held.fault.http_status)
    if admin:
        other["admin_info"] = {"use_channel": [str(attempt.channel_id) for attempt in held.attempts]}
    return other
