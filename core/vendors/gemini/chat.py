"""Gemini's generateContent as one object per vendor row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.errors import InvalidRequest
from core.vendors.gemini import decode, refusal, thinking
from core.vendors.gemini import usage as usages
from core.vendors.gemini.address import GOOGLES, url
from core.vendors.gemini.encode import encode
from core.vendors.gemini.encode_parts import PLACEHOLDER
from core.vendors.gemini.relay import GeminiRelay
from core.vendors.gemini.stream import GeminiDecoder
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.shared import scan
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers
from core.vendors.shared.options import is_whole_name, on, option
from core.vendors.shared.splice import splice
from core.vendors.table import Row

_NAMES = {"generationConfig": "generation_config", "systemInstruction": "system_instruction"}
"""Both spellings are taken by the vendor."""
COUNT = "countTokens"
SHARE = 0.6
"""Of the output limit, where the option says nothing."""
_FOREIGN = b"aXN0aG11cy"
_CARRIED = re.compile(rb'"aXN0aG11cy[A-Za-z0-9+/_-]*={0,2}"')
"""Another vendor's signature, which a client of this form brings back (front/dialects/gemini/parts.py: carried)."""
_GUARDED = {"serviceTier": "allow_service_tier", "service_tier": "allow_service_tier"}


class GeminiChat:
    """Implements ChatForm for a row. Without state."""

    name = decode.DIALECT
    json_streams = True
    """Streams that come as one JSON array are read, too."""

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything but what Google itself holds."""
        return not GOOGLES.match(url)

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, _model(call)[0])
        return self._request(body, call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(_vendors_own(native.body), call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        model, suffix = _model(call)

        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes()
            settings = call.channel.settings
            changes.deletes.update(name for name in names if name in _GUARDED and not settings.get(_GUARDED[name]))
            if settings.get("disable_store") and "store" in names:
                changes.deletes.add("store")
            if "model" in names and look("model") not in (model, f"models/{model}"):
                changes.sets["model"] = f"models/{model}"
            if suffix:
                _think(call, suffix, names, look, changes)
            return changes

        body = splice(body, call, rules, system_prompt=_system_prompt, native=native)
        return self._sent(body, call, model, "streamGenerateContent" if call.stream else "generateContent", dropped)

    def _sent(self, body: bytes, call: Call, model: str, method: str, dropped: tuple[str, ...]) -> VendorRequest:
        """The body under the address of a model's method; clouds that serve the form have others."""
        named = headers(self._row, call, "x-goog-api-key")
        return VendorRequest("POST", url(call, model, method, method.startswith("stream")), named, body, dropped)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> GeminiDecoder:
        """For a stream."""
        return GeminiDecoder(call)

    def relay(self, call: Call) -> GeminiRelay:
        """For a stream whose client speaks this form."""
        return GeminiRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        answer = decode.parse(body)
        if call.asked != call.sent and "modelVersion" in answer:
            try:
                body = scan.change(body, {"modelVersion": orjson.dumps(call.asked)}, set(), {})
            except InvalidRequest:
                raise BadAnswer("it is not a JSON object") from None
        return body, usages.of_answer(answer)

    def count_request(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical turn for countTokens, as the request it would be. Raises InvalidRequest, ChannelError."""
        model, _ = _model(call)
        body, dropped = encode(request, call, model)
        turn = {"model": f"models/{model}", **orjson.loads(body)}
        return self._sent(orjson.dumps({"generateContentRequest": turn}), call, model, COUNT, dropped)

    def splice_count(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes for countTokens; only the model's name in them may change. Raises InvalidRequest."""
        model, _ = _model(call)
        body = native.body
        members = {member.name: member for member in scan.members(body)}
        name = next((each for each in ("generateContentRequest", "generate_content_request") if each in members), "")
        if name and model != call.asked:
            member = members[name]
            turn = scan.change(body[member.value : member.end], {"model": orjson.dumps(f"models/{model}")}, set(), {})
            body = scan.change(body, {name: turn}, set(), {})
        return self._sent(_vendors_own(body), call, model, COUNT, ())

    def counted(self, body: bytes, call: Call) -> int:
        """The answer's totalTokens. Raises BadAnswer."""
        try:
            told = orjson.loads(body)["totalTokens"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise BadAnswer("there is no count") from None
        if not isinstance(told, int) or isinstance(told, bool) or told < 0:
            raise BadAnswer("the count is not a number")
        return told

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _vendors_own(body: bytes) -> bytes:
    """A client's bytes without signatures of other vendors."""
    return _CARRIED.sub(b'"' + PLACEHOLDER.encode() + b'"', body) if _FOREIGN in body else body


def _model(call: Call) -> tuple[str, dict[str, Any]]:
    """The model's own name, and the thinkingConfig that the suffix of the name stands for."""
    if is_whole_name(call) or not on(call, "gemini.thinking_adapter_enabled"):
        return call.sent, {}
    return thinking.unsuffixed(call.sent)


def _think(call: Call, suffix: dict[str, Any], names: list[str], look: Look, changes: Changes) -> None:
    """Puts the thinkingConfig of a suffix into the request's generationConfig; the suffix wins."""
    member = _NAMES["generationConfig"] if _NAMES["generationConfig"] in names else "generationConfig"
    config = look(member)
    config = dict(config) if isinstance(config, dict) else {}
    config.pop("thinking_config", None)
    most = config.get("maxOutputTokens", config.get("max_output_tokens"))
    if suffix.get("thinkingBudget") == thinking.DYNAMIC and call.sent.endswith("-thinking") and type(most) is int:
        # A model left to itself could think all of its answer away.
        suffix = {**suffix, "thinkingBudget": thinking.share(_model(call)[0], most, _share(call))}
    config["thinkingConfig"] = suffix
    changes.sets[member] = config


def _share(call: Call) -> float:
    """The share of the output limit that -thinking may take."""
    try:
        found = float(option(call, "gemini.thinking_adapter_budget_tokens_percentage"))
    except ValueError:
        return SHARE
    return found if 0 < found <= 1 else SHARE


def _system_prompt(body: bytes, found: Mapping[str, scan.Member], call: Call) -> dict[str, bytes]:
    """The systemInstruction with the channel's prompt: alone, or before the client's if so set."""
    prompt = {"text": str(call.channel.setting["system_prompt"])}
    name = _NAMES["systemInstruction"] if _NAMES["systemInstruction"] in found else "systemInstruction"
    member = found.get(name)
    if member is None:
        return {name: orjson.dumps({"parts": [prompt]})}
    if not call.channel.setting.get("system_prompt_override"):
        return {}
    try:
        own = orjson.loads(body[member.value : member.end])
    except orjson.JSONDecodeError:
        raise InvalidRequest("systemInstruction is not JSON.", param="systemInstruction") from None
    parts = own.get("parts") if isinstance(own, dict) else None
    parts = parts if isinstance(parts, list) else [parts] if isinstance(parts, dict) else []
    return {name: orjson.dumps({**(own if isinstance(own, dict) else {}), "parts": [prompt, *parts]})}
