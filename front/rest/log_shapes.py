"""Log lines as New API's JSON objects: a request's `other` is made from its receipt."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import admin_pb2, billing_pb2, usage_pb2

ERROR = admin_pb2.LOG_TYPE_ERROR


def log(entry: admin_pb2.LogEntry, admin: bool, place: int = 0) -> dict[str, Any]:
    """A line of the log. place: for users, its place in the list instead of the row's id."""
    held = entry.receipt
    last = held.attempts[-1] if held.attempts else billing_pb2.Attempt()
    return {
        "id": entry.id if admin else place,
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
        "ip": entry.client_address,
        "request_id": held.request_id,
        "upstream_request_id": last.upstream_request_id if admin else "",
        "other": orjson.dumps(other(entry, held, admin)).decode() if held.request_id else entry.other_json,
    }


def other(entry: admin_pb2.LogEntry, held: billing_pb2.Receipt, admin: bool) -> dict[str, Any]:
    """New API's `other`, and the receipt's own figures beside."""
    factors, usage = held.factors, held.usage
    lines = {line.item: line for line in held.lines}
    told: dict[str, Any] = {
        "model_ratio": float(factors.get("model_ratio", "0")),
        "group_ratio": float(factors.get("group_ratio", "1")),
        "user_group_ratio": -1,
        "completion_ratio": float(factors.get("completion_ratio", "0")),
        "model_price": float(lines["per_call"].ratio) if "per_call" in lines else -1,
        "cache_tokens": usage.cached_tokens,
        "cache_ratio": float(factors.get("cache_ratio", "0")),
        "frt": held.first_byte_ms,
        "request_path": held.path,
        "billing_source": "wallet",
    }
    if "cache_write" in lines or "cache_write_1h" in lines:
        told["cache_creation_tokens"] = (
            usage.cache_write_5m_tokens + usage.cache_write_1h_tokens + usage.cache_write_other_tokens
        )
        for item, name in (("cache_write", "cache_creation_ratio"), ("cache_write_1h", "cache_creation_ratio_1h")):
            if item in lines:
                told[name] = float(lines[item].ratio)
    if usage.convention == usage_pb2.USAGE_CONVENTION_ANTHROPIC:
        told.update(claude=True, usage_semantic="anthropic")
    if "image" in lines:
        told.update(image=True, image_ratio=float(lines["image"].ratio), image_output=int(lines["image"].quantity))
    if entry.type == ERROR:
        told.update(error_type="isthmus_error", error_code=held.fault.reason, status_code=held.fault.http_status)
    told["receipt"] = receipt(held)
    if "expression" in factors:
        told |= {"billing_mode": "tiered_expr", "matched_tier": factors.get("tier", "")}
    if admin:
        told["receipt"]["attempts"] = [_attempt(attempt) for attempt in held.attempts]
        told.update(_for_admins(entry, held))
    return told


def _for_admins(entry: admin_pb2.LogEntry, held: billing_pb2.Receipt) -> dict[str, Any]:
    """Which channels and keys were tried, and under which name the model was asked for."""
    told: dict[str, Any] = {
        "admin_info": {
            "use_channel": [str(attempt.channel_id) for attempt in held.attempts],
            "multi_key_index": held.attempts[-1].key_index if held.attempts else 0,
            "local_count_tokens": held.usage.source == usage_pb2.USAGE_SOURCE_COUNTED,
        }
    }
    if held.HasField("affinity"):
        told["admin_info"]["channel_affinity"] = {
            "rule_name": held.affinity.rule_name,
            "key_fp": held.affinity.fingerprint,
            "using_group": held.affinity.group,
            "channel_id": held.affinity.channel_id,
        }
    if not held.attempts:
        return told
    last = held.attempts[-1]
    if last.upstream_model and last.upstream_model != held.model:
        told.update(is_model_mapped=True, upstream_model_name=last.upstream_model)
    if entry.type == ERROR:
        told.update(channel_id=last.channel_id, channel_name=last.channel_name, channel_type=last.channel_type)
    return told


def _attempt(attempt: billing_pb2.Attempt) -> dict[str, Any]:
    """One try at a channel; native: the client's own bytes went out, not a conversion."""
    return {
        "channel": attempt.channel_id,
        "channel_type": attempt.channel_type,
        "model": attempt.upstream_model,
        "native": attempt.native,
        "status": attempt.http_status,
        "reason": attempt.reason,
    }


def receipt(held: billing_pb2.Receipt) -> dict[str, Any]:
    """The sum with every term, what the vendor could not be told, and what counted where it told no usage."""
    return {
        "formula": held.formula,
        "quota": held.quota,
        "unbilled": held.unbilled,
        "reserved": held.reserved,
        "ending": billing_pb2.Ending.Name(held.ending),
        "lines": [
            {
                "item": line.item,
                "quantity": line.quantity,
                "ratio": line.ratio,
                "source": line.source,
                "amount": line.amount,
            }
            for line in held.lines
        ],
        "dropped": list(held.dropped),
        "counter": held.usage.counter,
    }
