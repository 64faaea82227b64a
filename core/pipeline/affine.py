"""Which conversation a request belongs to: by a rule, or by how it began."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import chat_pb2

from core.errors import InvalidRequest
from core.link.call import CallInfo
from core.pipeline.exchange import Exchange
from core.routing.affinity import Conversation
from core.state.affinity_rules import Policy, Rule, Source
from core.state.types import Principal
from core.vendors.shared.scan import members

CLIENT_HEADERS = "isthmus-client-headers"
"""Metadata: a JSON object of the client's headers that rules read."""
VALUE_MOST = 4096
"""Characters of a conversation's name; longer ones name none."""
PARSED_MOST = 256 << 10
"""Bytes up to which a body is parsed; larger ones are searched."""
TURN_MOST = 64 << 10
"""Bytes of the first turn that tell a conversation from another."""


def conversation(policy: Policy, exchange: Exchange, info: CallInfo, group: str) -> Conversation | None:
    """The request's conversation; None where it has none that counts. group: the group in use."""
    envelope = exchange.envelope
    if policy.enabled:
        for rule in policy.matching(envelope.model, envelope.path):
            value = _value(rule, exchange, info, group)
            if value:
                return _kept(policy, rule, value, envelope.model, group)
    if policy.keep and isinstance(exchange.task.canonical, chat_pb2.ChatRequest):
        value = _beginning(exchange.task.canonical, exchange.principal)
        if value:
            return _kept(policy, None, value, envelope.model, group)
    return None


def _kept(policy: Policy, rule: Rule | None, value: str, model: str, group: str) -> Conversation:
    parts = (
        rule.name if rule is not None and rule.by_name else "",
        model if rule is None or rule.by_model else "",
        group if rule is None or rule.by_group else "",
        value,
    )
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=24).digest()
    fingerprint = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    ttl = (rule.ttl if rule is not None else 0) or policy.ttl
    return Conversation(digest[:16], digest[16:], rule, fingerprint, ttl, group)


def _value(rule: Rule, exchange: Exchange, info: CallInfo, group: str) -> str:
    """The conversation's name by a rule; "" where the request has none."""
    headers: Mapping[str, str] = {}
    if rule.agents or any(source.kind == "request_header" for source in rule.sources):
        headers = _headers(info)
        if rule.agents and not any(agent in headers.get("user-agent", "").lower() for agent in rule.agents):
            return ""
    for source in rule.sources:
        value = _read(source, exchange, headers, group).strip()
        if value and len(value) <= VALUE_MOST and (rule.value is None or rule.value.search(value)):
            return value
    return ""


def _headers(info: CallInfo) -> Mapping[str, str]:
    try:
        found = json.loads(info.metadata.get(CLIENT_HEADERS, "") or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _read(source: Source, exchange: Exchange, headers: Mapping[str, str], group: str) -> str:
    if source.kind == "request_header":
        return headers.get(source.at, "")
    if source.kind == "gjson":
        native = exchange.task.native
        return _text(at_path(native.body, source.at)) if native is not None else _told(exchange, source.at)
    account, key = exchange.principal.account, exchange.principal.key
    held: dict[str, Any] = {
        "id": account.id, "token_id": key.id if key is not None else "", "username": account.username,
        "user_group": account.group, "using_group": group, "token_name": key.name if key is not None else "",
    }  # fmt: skip
    return str(held[source.at])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _told(exchange: Exchange, path: str) -> str:
    """What a canonical request, which has no bytes, says in the place of the usual paths."""
    chat = exchange.task.canonical
    if not isinstance(chat, chat_pb2.ChatRequest):
        return ""
    known = {
        "prompt_cache_key": chat.caching.key,
        "metadata.user_id": chat.identity.user,
        "user": chat.identity.user,
        "safety_identifier": chat.identity.safety_identifier,
    }
    return known.get(path, "")


def at_path(body: bytes, path: str) -> Any:
    """The value at a dotted path of a JSON object; None where there is none."""
    if len(body) <= PARSED_MOST:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        for name in path.split("."):
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found
    piece = body
    try:
        for name in path.split("."):
            member = next((one for one in reversed(members(piece)) if one.name == name), None)
            if member is None:
                return None
            piece = piece[member.value : member.end]
        return orjson.loads(piece) if len(piece) <= PARSED_MOST else None
    except (InvalidRequest, orjson.JSONDecodeError):
        return None


def _beginning(chat: chat_pb2.ChatRequest, principal: Principal) -> str:
    """What all turns of a conversation begin with: who asks, and the first thing said to the model.

    Instructions do not count: some clients write the time of day into them.
    """
    first = next((message for message in chat.messages if message.role == chat_pb2.ROLE_USER), None)
    if first is None:
        return ""
    said = first.SerializeToString(deterministic=True)[:TURN_MOST]
    key = principal.key.id if principal.key is not None else 0
    return f"{principal.account.id}/{key}/{chat.caching.key}/{hashlib.blake2b(said, digest_size=16).hexdigest()}"
