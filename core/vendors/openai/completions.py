"""OpenAI's legacy completions form: a prompt in, text out. Spoken where the client speaks it.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, ChatEvent, VendorRefusal, VendorRequest
from core.vendors.openai import decode
from core.vendors.openai import usage as usages
from core.vendors.openai.chat import renamed
from core.vendors.openai.relay import OpenAIRelay
from core.vendors.openai.rules import chat_changes
from core.vendors.openai.stream import OpenAIDecoder
from core.vendors.shared import refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "openai.completions"
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty",
             "repetition_penalty")  # fmt: skip
_NO_PLACE = ("tools", "tool_choice", "reasoning", "output", "caching", "placement", "state", "safety", "prediction")
"""Members of a canonical request that say something this form cannot."""
_ONLY_HERE = {
    "prompt": "Several prompts, or prompts in tokens, need a model whose channel has /v1/completions.",
    "max_tokens": "A max_tokens of 0 needs a model whose channel has /v1/completions.",
}
"""Members of a client's request that mean another thing, or nothing, in a conversation."""


def check_prompt(chat: chat_pb2.ChatRequest, form: str) -> None:
    """Raises UnsupportedFeature where a client of this form asks what no conversation with another one can hold."""
    said = chat.extensions.by_dialect.get(FORM)
    if said is None or form == FORM:
        return
    told = orjson.loads(said)
    for name, why in _ONLY_HERE.items():
        if name in told:
            raise UnsupportedFeature(why, param=name)


class OpenAICompletions:
    """Implements ChatForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature where it is more than one prompt."""
        body: dict[str, Any] = {"model": call.sent}
        said = request.extensions.by_dialect.get(FORM)
        extra = orjson.loads(said) if said else {}
        body["prompt"] = extra.pop("prompt", None)
        if body["prompt"] is None:
            body["prompt"] = _prompt(request)
        sampling = request.sampling
        body.update({name: getattr(sampling, name) for name in _SAMPLING if sampling.HasField(name)})  # type: ignore[arg-type]
        if sampling.logprobs:
            body["logprobs"] = sampling.top_logprobs
        if sampling.logit_bias:
            body["logit_bias"] = {
                key: int(value) if value == int(value) else value for key, value in sampling.logit_bias.items()
            }
        if request.HasField("max_output_tokens"):
            body["max_tokens"] = request.max_output_tokens
        if request.HasField("candidates"):
            body["n"] = request.candidates
        if request.stop_sequences:
            body["stop"] = list(request.stop_sequences)
        if request.identity.user:
            body["user"] = request.identity.user
        if call.stream:
            body["stream"] = True
        body.update({name: value for name, value in extra.items() if name not in body})
        dropped = [name for name in _NO_PLACE if _says(request, name)]
        dropped += [f"extensions.{dialect}" for dialect in request.extensions.by_dialect if dialect != FORM]
        return self._request(orjson.dumps(body), call, tuple(dropped), native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        row = self._row
        model = call.sent

        def rules(names: list[str], look: Look) -> Changes:
            nonlocal model
            changes = chat_changes(row, call, names, look)
            # That limit's name is the only one here, whatever the model's family.
            changes.renames.pop("max_tokens", None)
            changes.deletes.discard("max_tokens")
            # Text before and after is this form's own business; there are no messages.
            changes.sets.pop("messages", None)
            model = str(changes.sets.get("model", call.sent))
            return changes

        body = splice(body, call, rules, native=native)
        return VendorRequest("POST", url(row, row.completions, call, model), headers(row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        answer = decode.parse(body)
        choices = answer.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BadAnswer("there are no choices")
        answer["choices"] = [_as_chat(choice, "message") for choice in choices]
        response = decode.decode(orjson.dumps(answer), call)
        for choice in response.choices:
            if choice.HasField("logprobs"):
                choice.logprobs.dialect = FORM
        return response

    def decoder(self, call: Call) -> CompletionsDecoder:
        """For a stream."""
        return CompletionsDecoder(call)

    def relay(self, call: Call) -> CompletionsRelay:
        """For a stream whose client speaks this form."""
        return CompletionsRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        answer = decode.parse(body)
        if not isinstance(answer.get("choices"), list):
            raise BadAnswer("there are no choices")
        if call.asked != call.sent:
            body = renamed(body, call)
        return body, usages.of_answer(answer)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


class CompletionsDecoder(OpenAIDecoder):
    """Implements ChatDecoder: chunks differ from chat's in where the text is."""

    def _choice(self, raw: dict[str, Any], number: int, out: list[ChatEvent]) -> None:
        begun = len(out)
        super()._choice(_as_chat(raw, "delta"), number, out)
        for event in out[begun:]:
            if event.HasField("delta") and event.delta.HasField("logprobs"):
                event.delta.logprobs.dialect = FORM


class CompletionsRelay(OpenAIRelay):
    """Implements NativeRelay."""

    said = re.compile(rb'"text"[ ]?:[ ]?"((?:[^"\\]++|\\.)*+)"')


def _as_chat(choice: dict[str, Any], holder: str) -> dict[str, Any]:
    """A choice as chat has it."""
    made = {name: value for name, value in choice.items() if name != "text"}
    return {**made, holder: {"content": text(choice.get("text"))}}


def _prompt(request: chat_pb2.ChatRequest) -> str:
    """The one prompt of a request. Raises UnsupportedFeature where it is a conversation."""
    parts: list[parts_pb2.Part] = [part for message in request.messages for part in message.parts]
    alone = len(request.messages) == 1 and request.messages[0].role == chat_pb2.ROLE_USER
    if not alone or not all(part.HasField("text") for part in parts):
        raise UnsupportedFeature("This model's channel completes one text; it holds no conversation.", param="messages")
    return "".join(part.text.text for part in parts)


def _says(request: chat_pb2.ChatRequest, name: str) -> bool:
    found: Any = getattr(request, name)
    return bool(found.ByteSize()) if hasattr(found, "ByteSize") else bool(found)
