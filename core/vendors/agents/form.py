"""What agents' wire forms share: they are asked for streams, whole answers are put together from one.

No client speaks these forms. A conversation the platform holds is named by `conversation_id`, which OpenAI's clients
get in answers and may send back: then only what was said since goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.agents.stream import AgentDecoder, AgentRelay
from core.vendors.interface import BadAnswer, Call, ToldRefusal, VendorRefusal, VendorRequest
from core.vendors.shared import refusal
from core.vendors.shared.headers import headers, url
from core.vendors.table import Row

OPENAI = "openai.chat"
NOBODY = "isthmus"
"""The user platforms are told of where the client named none: they demand one."""
STREAMED = (("Accept", "text/event-stream"),)
_SAID = ("tools", "tool_choice", "sampling", "reasoning", "output", "caching", "placement", "safety", "prediction")
"""What the agent's author has decided, not who asks."""


class AgentForm:
    """Implements ChatForm for a row but for body() and decoder(). Without state."""

    name = ""
    known: tuple[str, ...] = ()
    """Members OpenAI's clients may send for the platform."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def body(
        self, messages: Sequence[chat_pb2.Message], told: dict[str, Any], user: str, call: Call, dropped: list[str]
    ) -> tuple[str, dict[str, Any]]:
        """Path and body. told: the client's members of `known`."""
        raise NotImplementedError

    def decoder(self, call: Call) -> AgentDecoder:
        """For a stream."""
        raise NotImplementedError

    def status(self, body: bytes) -> int:
        """The HTTP status of an error that came under a status of success."""
        try:
            return refusal.status_of(orjson.loads(body))
        except orjson.JSONDecodeError:
            raise BadAnswer("it is neither a stream nor JSON") from None

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        dropped = [name for name in _SAID if _says(request, name)]
        said = request.extensions.by_dialect.get(OPENAI)
        extra: dict[str, Any] = orjson.loads(said) if said else {}
        told = {name: extra.pop(name) for name in self.known if name in extra}
        if extra:
            dropped.append(f"extensions.{OPENAI}")
        dropped += [f"extensions.{dialect}" for dialect in request.extensions.by_dialect if dialect != OPENAI]
        if request.candidates > 1:
            dropped.append("candidates")
        dropped += [name for name in ("max_output_tokens", "stop_sequences") if _says(request, name)]
        messages = list(request.messages)
        if told.get("conversation_id"):
            messages = _since(messages)
        user = request.identity.user or request.identity.safety_identifier or NOBODY
        path, body = self.body(messages, told, user, call, dropped)
        address = url(self._row, path, call, call.sent)
        sent = headers(self._row, call, more=STREAMED)
        return VendorRequest("POST", address, sent, orjson.dumps(body), tuple(dict.fromkeys(dropped)))

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """Never: no client speaks this form. Raises UnsupportedFeature."""
        raise UnsupportedFeature(f"{self.name} is not a client's form.")

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer, put together from its stream. Raises ToldRefusal, BadAnswer."""
        if body.lstrip()[:1] == b"{":
            raise ToldRefusal(refusal.read(self.status(body), {}, body, call.secret))
        decoder = self.decoder(call)
        events = decoder.feed(body) + decoder.end()
        return assemble(events, call)

    def relay(self, call: Call) -> AgentRelay:
        """For callers that ask for the form's own bytes."""
        return AgentRelay(call, self.decoder(call))

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The stream's bytes, and usage. Raises ToldRefusal, BadAnswer."""
        answer = self.decode(body, call)
        return body, answer.usage if answer.HasField("usage") else None

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _says(request: chat_pb2.ChatRequest, name: str) -> bool:
    found: Any = getattr(request, name)
    return bool(found.ByteSize()) if hasattr(found, "ByteSize") else bool(found)


def _since(messages: list[chat_pb2.Message]) -> list[chat_pb2.Message]:
    """What was said after the last answer: the rest is held by the platform."""
    last = max((at for at, one in enumerate(messages) if one.role == chat_pb2.ROLE_ASSISTANT), default=-1)
    return messages[last + 1 :] or messages[-1:]


def words(parts: Sequence[parts_pb2.Part], dropped: list[str], apart: Sequence[str] = ()) -> str:
    """The text of a message; kinds in `apart` are told elsewhere, others without text are named."""
    said = []
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind in ("text", "refusal"):
            said.append(getattr(part, kind).text)
        elif kind == "tool_call":
            said.append(f"{part.tool_call.name}({part.tool_call.arguments})")
        elif kind == "tool_result":
            result = part.tool_result
            said.append(words(result.content, dropped) or result.json.decode("utf-8", "replace"))
        elif kind == "search_result":
            said.append(words(part.search_result.content, dropped))
        elif kind == "file" and part.file.media.WhichOneof("source") == "text":
            said.append(part.file.media.text)
        elif kind not in apart:
            dropped.append(f"parts.{kind or 'empty'}")
    return "\n".join(piece for piece in said if piece)


def assemble(events: Sequence[chat_pb2.ChatEvent], call: Call) -> chat_pb2.ChatResponse:
    """A whole answer out of the events of its stream. Raises ToldRefusal, BadAnswer."""
    response = chat_pb2.ChatResponse(model=call.asked, created=call.created)
    choice = response.choices.add()
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "fault":
            fault = event.fault
            raise ToldRefusal(VendorRefusal(fault.http_status, fault.message, code=fault.vendor_code))
        if kind == "started":
            response.id, response.created = event.started.id, event.started.created or call.created
            if event.started.HasField("extensions"):
                response.extensions.CopyFrom(event.started.extensions)
        elif kind == "part_started":
            choice.parts.add().CopyFrom(event.part_started.part)
        elif kind == "delta":
            _grow(choice.parts[event.delta.index], event.delta)
        elif kind == "finished":
            choice.finish, choice.vendor_finish = event.finished.finish, event.finished.vendor_finish
        elif kind == "usage":
            response.usage.CopyFrom(event.usage.usage)
    if not choice.parts:
        raise BadAnswer("there is no answer in the stream")
    return response


def _grow(part: parts_pb2.Part, delta: chat_pb2.PartDelta) -> None:
    kind = delta.WhichOneof("delta")
    if kind == "citation":
        part.text.citations.append(delta.citation)
    elif kind == "arguments":
        part.tool_call.arguments += delta.arguments
    elif kind in ("text", "thinking", "refusal"):
        held = getattr(part, kind)
        held.text += getattr(delta, kind)
