"""The dry run that tells which channel a request would take, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, routing_pb2

from front.dialects.anthropic import messages
from front.dialects.openai import chat as openai_chat
from front.dialects.responses import parse as responses
from front.errors import bad
from front.rest.manager import Call, Level, Route

DIALECTS: Mapping[str, tuple[str, str, Any]] = {
    "openai": ("openai.chat", "/v1/chat/completions", openai_chat.parse),
    "responses": ("openai.responses", "/v1/responses", responses.parse),
    "anthropic": ("anthropic.messages", "/v1/messages", messages.parse),
}
"""Name -> wire form, path, and what reads a body."""
TEXTS = ("name", "group", "state", "reason", "upstream_model", "form")
NUMBERS = ("channel_id", "type", "priority", "weight", "keys", "keys_ready", "free_in_ms", "cost", "native")


async def explain(c: Call) -> Any:
    """Each channel with its chance, and why it is passed over where it is. body: a request in the dialect's form."""
    body = await c.body()
    name = body.text("dialect") or "openai"
    if name not in DIALECTS:
        raise bad(f"dialect must be one of {', '.join(DIALECTS)}.", "dialect")
    form, path, parse = DIALECTS[name]
    asked = routing_pb2.ExplainRequest(form=form, key_id=body.number("key_id"), account_id=body.number("user_id"))
    sent = body.part("body").members() if body.has("body") else {}
    model = body.text("model") or str(sent.get("model") or "")
    if sent:
        # What a turn needs and a question about one may leave out.
        source = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, **sent, "model": model}
        if name == "responses":
            source = {"input": "hi", **sent, "model": model}
        envelope, chat = parse(source, orjson.dumps(source), c.m.settings.max_messages)
        asked.envelope.CopyFrom(envelope)
        asked.chat.CopyFrom(chat)
    asked.envelope.operation = common_pb2.OPERATION_CHAT
    asked.envelope.model, asked.envelope.path = model, body.text("path") or path
    asked.envelope.stream = body.flag("stream") or asked.envelope.stream
    asked.envelope.group = body.text("group")
    if body.has("max_tokens"):
        asked.envelope.max_output_tokens = body.number("max_tokens", 0)
    found = await c.m.routing.Explain(asked, metadata=c.who)
    return {
        "model": model,
        "groups": list(found.groups),
        "tries": found.tries,
        "choice": found.choice,
        "prompt_tokens": found.prompt_tokens,
        "reserved": found.reserved,
        "refusal": {"code": found.refusal.reason, "message": found.refusal.message} if found.refusal.reason else None,
        "options": [_option(one) for one in found.options],
    }


def _option(one: routing_pb2.RouteOption) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(one, name) for name in (*NUMBERS, *TEXTS)}
    shown.update(chance=round(one.chance, 6), dropped=list(one.dropped), latency_ms=round(one.latency_ms, 1))
    if one.spent:
        shown["spent"] = dict(zip(("requests", "tokens", "running"), one.spent, strict=True))
    return shown


ROUTES = (Route("POST", "/api/isthmus/explain", Level.ADMIN, explain),)
