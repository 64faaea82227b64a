"""The one deterministic answer to a question, whatever wire form it came in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from front.sandbox.controls import Controls

THOUGHT = "The sandbox thinks about the question."
FILLER = "word"


def count(text: str) -> int:
    """Sandbox tokens: one for every 4 characters begun."""
    return (len(text) + 3) // 4


@dataclass(slots=True)
class Question:
    """What a dialect's reader found in a request.

    text: the last user text, without directives. prompt: all text of the request.
    images: bytes of each picture (0 for a URL). results: texts of tool results that end
    the conversation. tools: name -> JSON schema. must: a tool has to be called; only: this.
    """

    model: str
    text: str
    prompt: str
    controls: Controls
    stream: bool = False
    images: list[int] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    must: bool = False
    only: str = ""
    no_tools: bool = False
    json_object: bool = False
    schema: Any = None
    choices: int = 1
    logprobs: bool = False
    stop: list[str] = field(default_factory=list)
    limit: int = 0
    thinking: bool = False
    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; arguments are JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """finish: "stop", "length", "tool" or "stop_sequence"; input and output in sandbox tokens, output with thoughts."""

    id: str
    text: str
    thought: str
    calls: tuple[Call, ...]
    finish: str
    stopped_at: str
    input: int
    output: int
    reasoning: int


def answer(question: Question) -> Answer:
    """Derived from the question alone: the same question has the same answer."""
    calls = _calls(question)
    text = "" if calls else _text(question)
    finish, stopped_at = ("tool" if calls else "stop"), ""
    cuts = [(text.find(stop), stop) for stop in question.stop if stop and stop in text]
    if cuts:
        at, stopped_at = min(cuts)
        text, finish = text[:at], "stop_sequence"
    if question.limit and count(text) > question.limit:
        text, finish, stopped_at = text[: question.limit * 4], "length", ""
    thought = THOUGHT if question.thinking or question.controls.thinking else ""
    output = count(text) * question.choices + count(thought)
    output += sum(count(call.name) + count(call.arguments) for call in calls)
    seed = hashlib.sha256(f"{question.model}\0{question.prompt}".encode("utf-8", "replace")).hexdigest()[:24]
    prompt = count(question.prompt) + 85 * len(question.images)
    return Answer(seed, text, thought, calls, finish, stopped_at, prompt, output, count(thought))


def _text(question: Question) -> str:
    """The answer's words."""
    if question.controls.tokens:
        return (f"{FILLER} " * (question.controls.tokens * 4 // 5 + 1))[: question.controls.tokens * 4]
    if question.schema is not None:
        return json.dumps(instance(question.schema, question.schema))
    if question.json_object:
        return json.dumps({"echo": question.text})
    words = f"The sandbox heard: {question.text}"
    if question.results:
        words += f" The tools answered: {'; '.join(question.results)}"
    if question.images:
        number = len(question.images)
        words += f" There were {number} image{'s' if number > 1 else ''} of {sum(question.images)} bytes."
    return words


def _calls(question: Question) -> tuple[Call, ...]:
    """Tools are called when asked for, and not again once they answered."""
    named = question.controls.tool or question.only
    wanted = question.must or named or question.controls.calls or "call a tool" in question.text.lower()
    if not question.tools or question.no_tools or question.results or not wanted:
        return ()
    names = list(question.tools)
    if named in question.tools:
        names = [named]
    times = question.controls.calls or 1
    seed = hashlib.sha256(question.prompt.encode("utf-8", "replace")).hexdigest()[:8]
    chosen = [names[number % len(names)] for number in range(times)]
    return tuple(
        Call(f"call_{seed}{number}", name, json.dumps(instance(question.tools[name], question.tools[name])))
        for number, name in enumerate(chosen)
    )


def instance(schema: Any, root: Any, depth: int = 0) -> Any:
    """The least value a JSON schema allows, as far as the common keywords go."""
    if not isinstance(schema, dict) or depth > 30:
        return None
    if "$ref" in schema:
        target = root
        for step in str(schema["$ref"]).removeprefix("#").split("/"):
            if step:
                target = target.get(step, {}) if isinstance(target, dict) else {}
        return instance(target, root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][0], root, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    kind = str(kind or ("object" if "properties" in schema else "null")).lower()
    if kind == "object":
        fields = schema.get("properties") or {}
        return {name: instance(fields.get(name), root, depth + 1) for name in schema.get("required") or fields}
    if kind == "array":
        return [instance(schema.get("items"), root, depth + 1)] * int(schema.get("minItems") or 0)
    if kind == "string":
        return "sandbox".ljust(int(schema.get("minLength") or 0), "x")[: schema.get("maxLength")]
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    return False if kind == "boolean" else None


def pieces(text: str, chunks: int) -> list[str]:
    """The text in about `chunks` pieces (0: one per token); no piece is empty."""
    if not text:
        return []
    size = -(-len(text) // chunks) if chunks else 4
    return [text[at : at + size] for at in range(0, len(text), size)]


def vector(text: str, dimensions: int) -> list[float]:
    """An embedding: numbers from -1 to 1 drawn from the text's hash."""
    raw = hashlib.shake_128(text.encode("utf-8", "replace")).digest(dimensions)
    return [(byte - 127.5) / 127.5 for byte in raw]


def relevance(query: str, document: str) -> float:
    """The share of the query's words that the document has."""
    words = set(query.lower().split())
    return len(words & set(document.lower().split())) / len(words) if words else 0.0
