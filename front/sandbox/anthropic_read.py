"""Reads Anthropic's messages, as strictly as the vendor where clients and gateways are known to stumble."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from front.sandbox.answer import Question
from front.sandbox.controls import parse
from front.sandbox.forms import Refused, dicts, number, picture_bytes, strings, texts_of
from front.sandbox.sign import holds

_ID = re.compile(r"[a-zA-Z0-9_-]+")
LEAST_BUDGET = 1024
"""Of thinking, in tokens."""


def thinking(body: dict[str, Any]) -> dict[str, Any]:
    """The request's thinking object; empty where it has none, or it is disabled."""
    asked = body.get("thinking") or {}
    return {} if asked.get("type") == "disabled" else asked


def check_limits(body: dict[str, Any]) -> None:
    """What only an answer needs: max_tokens, and what thinking forbids. Raises Refused."""
    if body.get("max_tokens") is None:
        raise Refused("max_tokens: Field required")
    limit = number(body, "max_tokens")
    asked = thinking(body)
    if asked.get("type") != "enabled":
        return
    budget = asked.get("budget_tokens")
    if budget is None:
        raise Refused("thinking.enabled.budget_tokens: Field required")
    if number(asked, "budget_tokens", 0) < LEAST_BUDGET:
        raise Refused(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}")
    if limit <= budget:
        raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature") not in (None, 1):
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")


@dataclass(slots=True)
class _Reader:
    """What the messages held; a walk over them fills it."""

    texts: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    last: str = ""
    calls: list[str] = field(default_factory=list)
    """Tool calls of the message before."""

    def message(self, place: str, message: dict[str, Any], *, final: bool) -> None:
        """One message. Raises Refused."""
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            raise Refused(f"{place}.role: Input should be 'user', 'assistant' or 'system'")
        if not content and not (final and role == "assistant"):
            raise Refused(
                f"{place}: all messages must have non-empty content except for the optional final assistant message"
            )
        blocks = dicts([{"type": "text", "text": content}] if isinstance(content, str) else content, f"{place}.content")
        wanted, self.calls = self.calls, []
        results: list[str] = []
        for number_, block in enumerate(blocks):
            at = f"{place}.content.{number_}"
            if block.get("type") == "tool_result":
                results.append(self.result(at, block, wanted))
            else:
                self.block(at, block)
        if unanswered := [name for name in wanted if name not in {block.get("tool_use_id") for block in blocks}]:
            raise Refused(
                f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(unanswered)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        own = texts_of(content)
        self.texts.append(" ".join(filter(None, [*results, own])))
        if role == "user":
            self.results = results
            self.last = own or (self.last if results else "")

    def block(self, at: str, block: dict[str, Any]) -> None:
        """One block but a tool's result. Raises Refused."""
        kind = block.get("type")
        if kind == "text" and not block.get("text"):
            raise Refused(f"{at}: text content blocks must be non-empty")
        if kind == "image":
            self.images.append(_image(at, block))
        elif kind == "thinking":
            # A thought that was omitted comes back empty, and is signed so: one that was lost on the way is seen.
            if not holds("thinking" if block["thinking"] else "omitted", block["thinking"], block.get("signature")):
                raise Refused(f"{at}: Invalid `signature` in `thinking` block")
        elif kind == "redacted_thinking":
            if not block.get("data"):
                raise Refused(f"{at}.redacted_thinking.data: Field required")
        elif kind == "tool_use":
            if not _ID.fullmatch(str(block.get("id"))):
                raise Refused(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not isinstance(block.get("input"), dict):
                raise Refused(f"{at}.tool_use.input: Input should be a valid dictionary")
            self.calls.append(block["id"])
        elif not isinstance(kind, str):
            raise Refused(f"{at}.type: Field required")

    def result(self, at: str, block: dict[str, Any], wanted: list[str]) -> str:
        """The text of a tool's result, which must answer a call of the message before. Raises Refused."""
        name = block.get("tool_use_id")
        if name not in wanted:
            raise Refused(
                f"{at}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each `tool_result` block must "
                "have a corresponding `tool_use` block in the previous message."
            )
        content = block.get("content") or ""
        if not isinstance(content, str):
            self.images += [_image(at, part) for part in dicts(content, at) if part.get("type") == "image"]
        text = texts_of(content)
        return f"error: {text}" if block.get("is_error") else text


def _image(at: str, block: dict[str, Any]) -> int:
    """A picture's bytes; 0 for an address or a file."""
    source = block.get("source") or {}
    kind = source.get("type")
    if kind == "base64" and source.get("data") and str(source.get("media_type")).startswith("image/"):
        return picture_bytes(source["data"])
    if kind in ("url", "file"):
        return 0
    raise Refused(f"{at}.image.source: Input should be a base64, url or file source")


def question(body: dict[str, Any], header: str) -> Question:
    """The question of a request. Raises Refused."""
    if not isinstance(body.get("model"), str):
        raise Refused("model: Field required")
    messages = dicts(body.get("messages"), "messages")
    if not messages:
        raise Refused("messages: at least one message is required")
    reader = _Reader()
    if body.get("system"):
        reader.texts.append(texts_of(body["system"]))
    for number_, message in enumerate(messages):
        reader.message(f"messages.{number_}", message, final=number_ == len(messages) - 1)
    if reader.calls:
        raise Refused(
            f"messages: `tool_use` ids were found without `tool_result` blocks after: {', '.join(reader.calls)}."
        )
    if thinking(body).get("type") == "enabled" and reader.results:
        _check_thought_first(messages)
    controls, last = parse(reader.last, header)
    chosen = body.get("tool_choice") or {}
    return Question(
        model=body["model"],
        text=last,
        prompt="\n".join(reader.texts),
        controls=controls,
        stream=bool(body.get("stream")),
        images=reader.images,
        results=reader.results,
        tools=_tools(body),
        must=chosen.get("type") == "any",
        only=str(chosen.get("name") or "") if chosen.get("type") == "tool" else "",
        no_tools=chosen.get("type") == "none",
        single=bool(chosen.get("disable_parallel_tool_use")),
        schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        stop=strings(body.get("stop_sequences"), "stop_sequences"),
        limit=number(body, "max_tokens"),
        thinking=bool(thinking(body)),
    )


def _tools(body: dict[str, Any]) -> dict[str, Any]:
    """Name and schema of each tool of the client's own; the vendor's tools are accepted and never used."""
    out = {}
    for number_, tool in enumerate(dicts(body.get("tools"), "tools")):
        if tool.get("type") not in (None, "custom"):
            continue
        for name in ("name", "input_schema"):
            if not tool.get(name):
                raise Refused(f"tools.{number_}.custom.{name}: Field required")
        if len(str(tool["name"])) > 128 or not _ID.fullmatch(str(tool["name"])):
            raise Refused(f"tools.{number_}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        out[tool["name"]] = tool["input_schema"]
    return out


def _check_thought_first(messages: list[dict[str, Any]]) -> None:
    """With thinking enabled, the turn that called the tools begins with a thought. Raises Refused."""
    at = max(number_ for number_, message in enumerate(messages) if message["role"] == "assistant")
    content = messages[at]["content"]
    kind = content[0]["type"] if isinstance(content, list) else "text"
    if kind not in ("thinking", "redacted_thinking"):
        raise Refused(
            f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the "
            "lastmost set of `tool_use` and `tool_result` blocks)."
        )


def hour_cached(body: dict[str, Any]) -> bool:
    """Whether a cache mark anywhere asks for an hour."""
    lists = [body.get("system"), body.get("tools"), *(message.get("content") for message in body.get("messages") or ())]
    marked = [body, *(each for blocks in lists if isinstance(blocks, list) for each in blocks)]
    return any((each.get("cache_control") or {}).get("ttl") == "1h" for each in marked)
