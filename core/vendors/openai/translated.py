"""Forms of vendors' own that say what OpenAI's chat form says in other words: translated from it and into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent, NativeRelay, ToldRefusal, VendorRefusal, VendorRequest
from core.vendors.openai import decode
from core.vendors.openai import usage as usages
from core.vendors.openai.encode import encode
from core.vendors.openai.prompt import system_prompt
from core.vendors.openai.stream import OpenAIDecoder
from core.vendors.shared import refusal, scan, told
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers
from core.vendors.shared.splice import splice
from core.vendors.shared.sse import Events
from core.vendors.table import Row

DONE = b"data: [DONE]\n\n"


class TranslatedChat:
    """Implements ChatForm for a row but for the words: outgoing(), address(), incoming(), chunk().

    No client speaks such a form, so nothing is ever spliced or relayed. Without state.
    """

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name = row.chat_form

    # -- the words ----------------------------------------------------------------------------

    def outgoing(self, body: dict[str, Any], call: Call, dropped: list[str]) -> dict[str, Any]:
        """A body of OpenAI's form in the vendor's words; what has no place is added to dropped."""
        raise NotImplementedError

    def address(self, call: Call) -> str:
        """Where the request goes."""
        raise NotImplementedError

    def incoming(self, answer: dict[str, Any], call: Call) -> dict[str, Any]:
        """A whole answer in OpenAI's words; {"error": ...} where it tells one. Raises BadAnswer."""
        raise NotImplementedError

    def chunk(self, chunk: dict[str, Any], call: Call) -> dict[str, Any]:
        """A piece of a stream in OpenAI's words; {"error": ...} where it tells one."""
        return self.incoming(chunk, call)

    def ends(self, chunk: dict[str, Any]) -> bool:
        """Whether a piece of a stream is its last."""
        return False

    # -- ChatForm -----------------------------------------------------------------------------

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, InvalidRequest, ChannelError."""
        raw, named = encode(request, call, self._row)
        if call.channel.setting.get("system_prompt"):
            members = {member.name: member for member in scan.members(raw)}
            raw = scan.change(raw, system_prompt(raw, members, call), set(), {})
        dropped = list(named)
        made = orjson.dumps(self.outgoing(orjson.loads(raw), call, dropped))
        # The channel's overrides are in the vendor's words.
        made = splice(made, call, _unchanged, native=False)
        named_once = tuple(dict.fromkeys(dropped))
        return VendorRequest("POST", self.address(call), self.headers(call), made, named_once)

    def headers(self, call: Call) -> tuple[tuple[str, str], ...]:
        """Headers, as the row says. Raises ChannelError."""
        return headers(self._row, call)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises ToldRefusal, BadAnswer."""
        return decode.decode(orjson.dumps(self._whole(body, call)), call)

    def decoder(self, call: Call) -> TranslatedDecoder:
        """For a stream."""
        return TranslatedDecoder(self, call)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """Never called: no client speaks this form."""
        raise AssertionError(f"a client spoke {self.name}")

    def relay(self, call: Call) -> NativeRelay:
        """Never called: no client speaks this form."""
        raise AssertionError(f"a client spoke {self.name}")

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The bytes as they are, and usage. Raises ToldRefusal, BadAnswer."""
        return body, usages.of_answer(self._whole(body, call))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape; one that is told in the form's own words has its status."""
        try:
            self._whole(body, call)
        except ToldRefusal as error:
            return error.refusal
        except BadAnswer:
            pass
        return refusal.read(status, headers, body, call.secret)

    def _whole(self, body: bytes, call: Call) -> dict[str, Any]:
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadAnswer("it is not JSON") from None
        if not isinstance(answer, dict):
            raise BadAnswer("it is not an object")
        found = self.incoming(answer, call)
        if error := found.get("error"):
            raise told.refused(error, call.secret)
        return found


class TranslatedDecoder:
    """Implements ChatDecoder: every event translated, and read as OpenAI's."""

    def __init__(self, form: TranslatedChat, call: Call) -> None:
        self._form = form
        self._call = call
        self._events = Events(call.house.event_limit)
        self._inner = OpenAIDecoder(call)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far."""
        return self._inner.usage

    @property
    def finished(self) -> bool:
        """Whether the form's own end was seen, or a fault."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._events.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where the stream was cut."""
        out = self._read(self._events.end())
        return out + self._inner.end()

    def _read(self, whole: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for data in whole:
            if self._inner.finished:
                break
            if data.strip() == b"[DONE]":
                out += self._inner.feed(DONE)
                continue
            try:
                parsed = orjson.loads(data)
            except orjson.JSONDecodeError:
                raise BadAnswer("an event of the stream is not JSON") from None
            if not isinstance(parsed, dict):
                raise BadAnswer("an event of the stream is not an object")
            found = self._translated(parsed)
            out += self._inner.feed(b"data: " + orjson.dumps(found) + b"\n\n")
            if self._form.ends(parsed):
                out += self._inner.feed(DONE)
        return out

    def _translated(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event in OpenAI's words."""
        return self._form.chunk(event, self._call)


def _unchanged(names: list[str], look: Look) -> Changes:
    """Nothing but the channel's overrides changes."""
    return Changes()


_CANONICAL = {
    **{
        name: f"sampling.{name}"
        for name in (
            "temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty",
            "repetition_penalty", "logprobs", "top_logprobs", "logit_bias",
        )
    },
    "max_tokens": "max_output_tokens", "n": "candidates", "stop": "stop_sequences", "response_format": "output",
    "user": "identity.user", "metadata": "identity.metadata", "store": "state.store", "tool_choice": "tool_choice",
    "parallel_tool_calls": "tool_choice.parallel", "reasoning_effort": "reasoning.effort",
    "thinking_budget": "reasoning.budget_tokens", "enable_thinking": "reasoning.mode",
}  # fmt: skip
"""Canonical names of what has no place, where they are others."""


def kept(body: dict[str, Any], names: Mapping[str, str], dropped: list[str]) -> dict[str, Any]:
    """The members that have a name at the vendor, under it; the others are added to dropped.

    messages, model and stream are the forms' own business.
    """
    made: dict[str, Any] = {}
    for name, value in body.items():
        if name in names:
            made[names[name]] = value
        elif name not in ("messages", "model", "stream", "stream_options"):
            dropped.append(_CANONICAL.get(name, name))
    return made


def words(content: Any, dropped: list[str]) -> str:
    """A message's content as one text; pieces that are none are named."""
    if isinstance(content, str):
        return content
    texts = []
    for piece in content if isinstance(content, list) else ():
        if isinstance(piece, dict) and piece.get("type") == "text":
            texts.append(str(piece.get("text") or ""))
        else:
            dropped.append(f"parts.{piece.get('type') if isinstance(piece, dict) else 'empty'}")
    return "\n".join(texts)
