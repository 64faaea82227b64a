"""Cohere's chat, version 2: body -> envelope and canonical request.

https://docs.cohere.com/reference/chat. Documents stand before the last user's message, as search results.
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, tools_pb2

from front.dialects import call_ids
from front.dialects.cohere import render as cohere_render
from front.dialects.cohere.render import FORM
from front.dialects.interface import Ask, StreamRenderer
from front.dialects.openai import parts as openai_parts
from front.dialects.strict import number, take, whole
from front.errors import FrontError, bad

ROLES = {
    "system": chat_pb2.ROLE_SYSTEM, "user": chat_pb2.ROLE_USER, "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}  # fmt: skip
MOST_TOKENS = 1 << 31
CHOICES = {"REQUIRED": tools_pb2.TOOL_CHOICE_MODE_ANY, "NONE": tools_pb2.TOOL_CHOICE_MODE_NONE}
SNIPPETS = ("text", "snippet", "content")
"""Members of a document that hold its text, by preference."""


class CohereErrors:
    """Implements ErrorForm."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Cohere's envelope."""
        return orjson.dumps({"id": request_id, "message": f"{error.message} (request id: {request_id})"})


class CohereChat(CohereErrors):
    """Implements ChatDialect: POST /v2/chat."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str)
        if not model or not model.strip():
            raise bad("model is required.", "model")
        messages = take(source, "messages", list)
        if not messages:
            raise bad("messages must be an array with at least one message.", "messages")
        if len(messages) > ask.max_messages:
            raise bad(f"messages has more than {ask.max_messages} entries.", "messages")
        chat = chat_pb2.ChatRequest()
        for index, item in enumerate(messages):
            _message(chat.messages.add(), item, f"messages[{index}]", ask.raw)
        streamed = bool(take(source, "stream", bool))
        _documents(chat, take(source, "documents", list))
        _tools(chat, source)
        _sampling(chat, source)
        _output(chat, source)
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            chat.extensions.by_dialect[FORM] = orjson.dumps(left)
        envelope = common_pb2.Envelope(
            operation=common_pb2.OPERATION_CHAT,
            model=model,
            stream=streamed,
            max_output_tokens=chat.max_output_tokens,
            path=ask.path,
        )
        return envelope, chat

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return cohere_render.whole(answer)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return cohere_render.CohereRenderer(request_id)


def _message(message: chat_pb2.Message, item: Any, path: str, raw: bytes) -> None:
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    role = item.pop("role", None)
    if not isinstance(role, str) or role not in ROLES:
        raise bad(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
    message.role = ROLES[role]
    content = item.pop("content", None)
    if role == "tool":
        result = message.parts.add().tool_result
        result.call_id, _ = call_ids.split(take(item, "tool_call_id", str, path + ".") or "")
        _content(result.content, content, f"{path}.content", raw)
    elif role == "assistant":
        _assistant(message, item, content, path, raw)
    else:
        if content is None:
            raise bad(f"{path}.content is required.", f"{path}.content")
        _content(message.parts, content, f"{path}.content", raw)
    left = {name: value for name, value in item.items() if value is not None}
    if left:
        message.extensions.by_dialect[FORM] = orjson.dumps(left)


def _assistant(message: chat_pb2.Message, item: dict[str, Any], content: Any, path: str, raw: bytes) -> None:
    """Content, the plan, calls: a plan is text before calls; content before calls is marked as such."""
    calls = take(item, "tool_calls", list, path + ".") or []
    if content is not None:
        _content(message.parts, content, f"{path}.content", raw)
        if calls:
            for part in message.parts:
                if part.HasField("text"):
                    part.extensions.by_dialect[FORM] = b'{"content":true}'
    plan = take(item, "tool_plan", str, path + ".")
    if plan and calls:
        message.parts.add().text.text = plan
    elif plan:
        item["tool_plan"] = plan
    for index, call in enumerate(calls):
        openai_parts.tool_call(message.parts.add(), call, f"{path}.tool_calls[{index}]")


def _content(parts: Any, content: Any, path: str, raw: bytes) -> None:
    """A text, or a list of pieces."""
    if isinstance(content, str):
        parts.add().text.text = content
        return
    if not isinstance(content, list):
        raise bad(f"{path} must be a string or an array.", path)
    for index, piece in enumerate(content):
        _piece(parts.add(), piece, f"{path}[{index}]", raw)


def _piece(part: parts_pb2.Part, piece: Any, path: str, raw: bytes) -> None:
    if not isinstance(piece, dict) or not isinstance(piece.get("type"), str):
        raise bad(f"{path} must be an object with a type.", path)
    kind, inner = piece["type"], piece.get(piece["type"])
    if kind in ("text", "thinking"):
        if not isinstance(inner, str):
            raise bad(f"{path}.{kind} must be a string.", f"{path}.{kind}")
        if kind == "text":
            part.text.text = inner
        else:
            part.thinking.text = inner
    elif kind == "image_url":
        if not isinstance(inner, dict) or not isinstance(inner.get("url"), str):
            raise bad(f"{path}.image_url.url must be a string.", f"{path}.image_url")
        part.image.detail = str(inner.get("detail") or "")
        openai_parts.address(part.image.media, inner["url"], raw, f"{path}.image_url.url")
    elif kind == "document":
        if not isinstance(inner, dict):
            raise bad(f"{path}.document must be an object.", f"{path}.document")
        _document(part, inner, path)
    else:
        part.opaque.dialect, part.opaque.kind, part.opaque.json = FORM, kind, orjson.dumps(piece)


def _document(part: parts_pb2.Part, document: Any, path: str) -> None:
    """A document as a search result, and as it came."""
    if isinstance(document, str):
        data: Any = {"text": document}
    else:
        data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise bad(f"{path} must be a string or an object with data.", path)
    found = part.search_result
    named = document.get("id") if isinstance(document, dict) else None
    found.source = str(named or data.get("url") or "")
    found.title = str(data.get("title") or "")
    texts = [data[name] for name in SNIPPETS if isinstance(data.get(name), str)]
    found.content.add().text.text = texts[0] if texts else orjson.dumps(data).decode()
    part.extensions.by_dialect[FORM] = orjson.dumps(document)


def _documents(chat: chat_pb2.ChatRequest, documents: list[Any] | None) -> None:
    """Puts documents before what the user said last."""
    if not documents:
        return
    users = [message for message in chat.messages if message.role == chat_pb2.ROLE_USER]
    if not users:
        raise bad("documents need a message of the user.", "documents")
    said = [parts_pb2.Part.FromString(part.SerializeToString()) for part in users[-1].parts]
    del users[-1].parts[:]
    for index, document in enumerate(documents):
        _document(users[-1].parts.add(), document, f"documents[{index}]")
    users[-1].parts.extend(said)


def _tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    strict = take(source, "strict_tools", bool)
    for index, item in enumerate(take(source, "tools", list) or ()):
        path = f"tools[{index}]"
        inner = item.get("function") if isinstance(item, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise bad(f"{path}.function.name is required.", path)
        function = chat.tools.add().function
        function.name = inner["name"]
        function.description = take(inner, "description", str, f"{path}.function.") or ""
        parameters = take(inner, "parameters", dict, f"{path}.function.")
        if parameters is not None:
            function.parameters_json = orjson.dumps(parameters)
        if strict is not None:
            function.strict = strict
    choice = take(source, "tool_choice", str)
    if choice is not None:
        if choice not in CHOICES:
            raise bad("tool_choice must be REQUIRED or NONE.", "tool_choice")
        chat.tool_choice.mode = CHOICES[choice]


def _sampling(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    drawn = chat.sampling
    for name, other, least, most in (
        ("temperature", "temperature", 0, 1 << 20),
        ("p", "top_p", 0, 1),
        ("frequency_penalty", "frequency_penalty", 0, 1),
        ("presence_penalty", "presence_penalty", 0, 1),
    ):
        value = number(source, name, least, most)
        if value is not None:
            setattr(drawn, other, value)
    for name, other, low, high in (("k", "top_k", 0, 500), ("seed", "seed", 0, (1 << 63) - 1)):
        count = whole(source, name, low, high)
        if count is not None:
            setattr(drawn, other, count)
    told = take(source, "logprobs", bool)
    if told is not None:
        drawn.logprobs = told
    limit = whole(source, "max_tokens", 1, MOST_TOKENS)
    if limit is not None:
        chat.max_output_tokens = limit
    stops = take(source, "stop_sequences", list) or []
    if not all(isinstance(stop, str) for stop in stops):
        raise bad("stop_sequences must be an array of strings.", "stop_sequences")
    chat.stop_sequences.extend(stops)
    thinking = take(source, "thinking", dict)
    if thinking is not None:
        kind = thinking.get("type")
        if kind not in ("enabled", "disabled"):
            raise bad("thinking.type must be enabled or disabled.", "thinking.type")
        chat.reasoning.mode = chat_pb2.REASONING_MODE_ON if kind == "enabled" else chat_pb2.REASONING_MODE_OFF
        budget = whole(thinking, "token_budget", 1, MOST_TOKENS, "thinking.")
        if budget is not None:
            chat.reasoning.budget_tokens = budget


def _output(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    wanted = take(source, "response_format", dict)
    if wanted is None:
        return
    kind = wanted.get("type")
    schema = take(wanted, "json_schema", dict, "response_format.")
    if kind == "json_object" and schema is not None:
        chat.output.json_schema.schema_json = orjson.dumps(schema)
    elif kind == "json_object":
        chat.output.json_object.SetInParent()
    elif kind == "text":
        chat.output.text = True
    else:
        raise bad("response_format.type must be text or json_object.", "response_format")
