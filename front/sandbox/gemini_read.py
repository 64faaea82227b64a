"""Reads Gemini's contents, as strictly as the vendor where clients and gateways are known to stumble."""

from __future__ import annotations

import base64
import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from front.sandbox.answer import Question
from front.sandbox.controls import parse
from front.sandbox.forms import Refused, dicts, number, picture_bytes, strings
from front.sandbox.sign import holds

_CAPITAL = re.compile(r"([A-Z])")
MAX_CANDIDATES = 8
MAX_STOPS = 5
_FUNCTION = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_WAIVERS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
WAIVERS = frozenset((*_WAIVERS, *(base64.b64encode(each.encode()).decode().rstrip("=") for each in _WAIVERS)))
"""What the vendor takes instead of a signature, for calls another model made; SDKs send them in base64."""

SCHEMA_NAMES = frozenset(
    {
        "additionalProperties", "anyOf", "default", "description", "enum", "example", "format", "items", "maxItems",
        "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "nullable",
        "pattern", "properties", "propertyOrdering", "required", "title", "type",
    }
)  # fmt: skip
"""Of https://ai.google.dev/api/caching#Schema; others are refused by the vendor."""


@functools.cache
def _snake(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


_SCHEMA_SPELLINGS = SCHEMA_NAMES | {_snake(name) for name in SCHEMA_NAMES}


def get(value: dict[str, Any], name: str) -> Any:
    """A member by its JSON name or its proto name, as the vendor reads both."""
    found = value.get(name)
    return value.get(_snake(name)) if found is None else found


def call_text(call: dict[str, Any]) -> str:
    """What a call's signature is made over: name and arguments, whatever their order."""
    return f"{call.get('name')}\0{json.dumps(call.get('args') or {}, sort_keys=True)}"


@dataclass(slots=True)
class _Reader:
    """What the contents held; a walk over them fills it."""

    signs_calls: bool
    """The model demands signatures on the calls of the current turn (Gemini 3)."""
    texts: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    last: str = ""
    calls: int = 0
    """Function calls of the content before."""

    def content(self, place: str, content: dict[str, Any], *, current: bool) -> None:
        """One content. Raises Refused."""
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise Refused("Please use a valid role: user, model.")
        parts = dicts(content.get("parts"), f"{place}.parts")
        if not parts:
            raise Refused(f"* GenerateContentRequest.{place}.parts: contents.parts must not be empty.")
        texts, results, calls = [], [], 0
        for number_, part in enumerate(parts):
            at = f"{place}.parts[{number_}]"
            self._check_signature(at, part)
            if call := get(part, "functionCall"):
                if self.signs_calls and current and not calls and not get(part, "thoughtSignature"):
                    raise Refused(
                        "Function call is missing a thought_signature in functionCall parts. This is required for "
                        f"tools to work correctly. Function call `{call.get('name')}`, {at}."
                    )
                calls += 1
            elif (response := get(part, "functionResponse")) is not None:
                results.append(self._result(response))
            elif "text" in part:
                texts += [] if part.get("thought") else [str(part["text"])]
            else:
                self._media(at, part)
        if results and len(results) != self.calls:
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        self.calls = calls
        own = " ".join(texts).strip()
        self.texts.append(" ".join(filter(None, [*results, own])))
        if role != "model":
            self.results = results
            self.last = own or (self.last if results else "")

    def _check_signature(self, at: str, part: dict[str, Any]) -> None:
        """A signature that came back is the one that was given. Raises Refused."""
        signature = get(part, "thoughtSignature")
        if signature is None or str(signature).rstrip("=") in WAIVERS:
            return
        if call := get(part, "functionCall"):
            good = holds("call", call_text(call), signature)
        elif part.get("thought"):
            good = holds("thought", part.get("text"), signature)
        else:
            # Text comes in pieces, and its signature with an empty one: it is bound to no words.
            good = holds("text", None, signature)
        if not good:
            raise Refused(f"Corrupted thought signature. ({at})")

    def _result(self, response: dict[str, Any]) -> str:
        """A function's result in words: its output or result where that is a text, else its JSON."""
        for part in dicts(response.get("parts"), "functionResponse.parts"):
            self._media("functionResponse.parts", part)
        value = response.get("response") or {}
        for name in ("output", "result"):
            if isinstance(value.get(name), str):
                return str(value[name])
        if isinstance(value.get("error"), str):
            return f"error: {value['error']}"
        return json.dumps(value)

    def _media(self, at: str, part: dict[str, Any]) -> None:
        """A picture; other media, and the vendor's own kinds of parts, say nothing to the Sandbox. Raises Refused."""
        blob, file = get(part, "inlineData"), get(part, "fileData")
        if blob is not None:
            if not blob.get("data") or not get(blob, "mimeType"):
                raise Refused(f"{at}.inline_data: data and mime_type are required")
            if str(get(blob, "mimeType")).startswith("image/"):
                self.images.append(picture_bytes(blob["data"]))
        elif file is not None:
            if str(get(file, "mimeType") or "image/").startswith("image/"):
                self.images.append(0)
        elif not any(isinstance(value, dict) for value in part.values()):
            raise Refused(
                f"* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field"
            )


def thinking(body: dict[str, Any]) -> dict[str, Any]:
    """The request's thinkingConfig; empty where it has none."""
    config = get(get(body, "generationConfig") or {}, "thinkingConfig") or {}
    return config if isinstance(config, dict) else {}


def thoughts_shown(body: dict[str, Any], question: Question) -> bool:
    """Whether thoughts are in the answer, not only in its usage."""
    return bool(get(thinking(body), "includeThoughts") or question.controls.thinking)


def question(body: dict[str, Any], model: str, header: str) -> Question:
    """The question of a request. Raises Refused."""
    contents = dicts(body.get("contents"), "contents")
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    reader = _Reader(signs_calls=model.startswith("gemini-3"))
    if system := get(body, "systemInstruction"):
        reader.texts.append(" ".join(str(part.get("text") or "") for part in dicts(system.get("parts"), "parts")))
    begins = _current_turn(contents)
    for number_, content in enumerate(contents):
        reader.content(f"contents[{number_}]", content, current=number_ >= begins)
    config = get(body, "generationConfig") or {}
    if len(stops := strings(get(config, "stopSequences"), "stop_sequences")) > MAX_STOPS:
        raise Refused(f"stop_sequences: at most {MAX_STOPS} are allowed")
    schema = get(config, "responseSchema")
    if schema is not None:
        _check_schema("generation_config.response_schema", schema)
    controls, last = parse(reader.last, header)
    chosen = get(get(body, "toolConfig") or {}, "functionCallingConfig") or {}
    tools = _tools(body)
    if allowed := strings(get(chosen, "allowedFunctionNames"), "allowed_function_names"):
        tools = {name: tools[name] for name in tools if name in allowed}
    mode = str(chosen.get("mode") or "AUTO").upper()
    own = {name: get(config, name) for name in ("maxOutputTokens", "candidateCount")}
    return Question(
        model=model,
        text=last,
        prompt="\n".join(reader.texts),
        controls=controls,
        images=reader.images,
        results=reader.results,
        tools=tools,
        must=mode == "ANY",
        no_tools=mode == "NONE",
        json_object=get(config, "responseMimeType") == "application/json",
        schema=schema if schema is not None else get(config, "responseJsonSchema"),
        choices=number(own, "candidateCount", 1, MAX_CANDIDATES) or 1,
        stop=stops,
        limit=number(own, "maxOutputTokens"),
        thinking=_thinks(body, model),
    )


def _thinks(body: dict[str, Any], model: str) -> bool:
    """Gemini 3 always thinks; others where they are told a budget, a level, or to show it."""
    config = thinking(body)
    budget = get(config, "thinkingBudget")
    if budget is not None:
        return bool(budget)
    return bool(get(config, "thinkingLevel") or get(config, "includeThoughts") or model.startswith("gemini-3"))


def _current_turn(contents: list[dict[str, Any]]) -> int:
    """Where the current turn begins: the last content of the user's that is no function's result."""
    for at in range(len(contents) - 1, -1, -1):
        parts = dicts(contents[at].get("parts"), f"contents[{at}].parts")
        answers = any(get(part, "functionResponse") for part in parts)
        if contents[at].get("role") in (None, "user") and not answers:
            return at
    return 0


def _tools(body: dict[str, Any]) -> dict[str, Any]:
    """Name and schema of each function; the vendor's own tools are accepted and never used."""
    out = {}
    for at, tool in enumerate(dicts(body.get("tools"), "tools")):
        for number_, function in enumerate(dicts(get(tool, "functionDeclarations"), "function_declarations")):
            place = f"tools[{at}].function_declarations[{number_}]"
            if not isinstance(function.get("name"), str) or not function["name"]:
                raise Refused(f"* GenerateContentRequest.{place}.name: Function name is required.")
            if not _FUNCTION.fullmatch(function["name"]):
                raise Refused(
                    f"* GenerateContentRequest.{place}.name: Invalid function name. Must start with a letter."
                )
            if (schema := function.get("parameters")) is not None:
                _check_schema(f"{place}.parameters", schema)
            out[function["name"]] = schema or get(function, "parametersJsonSchema") or {}
    return out


def _check_schema(place: str, schema: Any, depth: int = 0) -> None:
    """The vendor's Schema is a part of JSON schema; names it has not are refused. Raises Refused."""
    if not isinstance(schema, dict) or depth > 100:
        raise Refused(f"Invalid value at '{place}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Schema)")
    for name, value in schema.items():
        if name not in _SCHEMA_SPELLINGS:
            raise Refused(f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field.")
        if name == "properties":
            for key, each in value.items():
                _check_schema(f"{place}.properties[{key}]", each, depth + 1)
        elif name == "items":
            _check_schema(f"{place}.items", value, depth + 1)
        elif get({name: value}, "anyOf"):
            for at, each in enumerate(value):
                _check_schema(f"{place}.any_of[{at}]", each, depth + 1)
