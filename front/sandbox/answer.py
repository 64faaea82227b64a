"""The one deterministic answer to a question, whatever wire form it came in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from front.sandbox.controls import Controls
from front.sandbox.instance import instance

THOUGHT = "The sandbox thinks about the question."
REFUSAL = "The sandbox was told to refuse."
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
    single: not more than one call. limit: of thought and text, in sandbox tokens (0: none).
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
    single: bool = False
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
    """finish: "stop", "length", "tool", "stop_sequence", "refusal" or "filter".

    input and output in sandbox tokens: input with what was cached (read) and written (to the cache),
    output with thoughts.
    """

    id: str
    text: str
    thought: str
    calls: tuple[Call, ...]
    finish: str
    stopped_at: str
    input: int
    output: int
    reasoning: int
    cached: int = 0
    written: int = 0


def answer(question: Question) -> Answer:
    """Derived from the question alone: the same question has the same answer."""
    controls = question.controls
    calls = _calls(question)
    text = "" if calls else _text(question)
    finish, stopped_at = ("tool" if calls else "stop"), ""
    cuts = [(text.find(stop), stop) for stop in question.stop if stop and stop in text]
    if cuts:
        at, stopped_at = min(cuts)
        text, finish = text[:at], "stop_sequence"
    if controls.filter:
        text, finish, stopped_at = text[: len(text) // 2], "filter", ""
    thought = THOUGHT if question.thinking or controls.thinking else ""
    if question.limit and not calls and count(thought) + count(text) > question.limit:
        thought = thought[: question.limit * 4]
        text, finish, stopped_at = text[: (question.limit - count(thought)) * 4], "length", ""
    output = count(text) * question.choices + count(thought)
    output += sum(count(call.name) + count(call.arguments) for call in calls)
    output = controls.usage_lie or output
    seed = hashlib.sha256(f"{question.model}\0{question.prompt}".encode("utf-8", "replace")).hexdigest()[:24]
    prompt = prompt_tokens(question)
    cached = min(controls.cached, prompt)
    written = min(controls.cache_write, prompt - cached)
    reasoning = min(count(thought), output)
    if controls.refuse:
        finish = "refusal"
    return Answer(seed, text, thought, calls, finish, stopped_at, prompt, output, reasoning, cached, written)


def prompt_tokens(question: Question) -> int:
    """The request in sandbox tokens."""
    return count(question.prompt) + 85 * len(question.images)


def _text(question: Question) -> str:
    """The answer's words."""
    if question.controls.refuse:
        return REFUSAL
    if question.controls.tokens:
        return (f"{FILLER} " * (question.controls.tokens * 4 // 5 + 1))[: question.controls.tokens * 4]
    if question.schema is not None:
        return json.dumps(instance(question.schema))
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
    controls = question.controls
    if not question.tools or question.no_tools or question.results or controls.refuse or controls.filter:
        return ()
    named = controls.tool or question.only
    if not (question.must or named or controls.calls or "call a tool" in question.text.lower()):
        return ()
    names = list(question.tools)
    if named in question.tools:
        names = [named]
    times = 1 if question.single else controls.calls or 1
    seed = hashlib.sha256(question.prompt.encode("utf-8", "replace")).hexdigest()[:8]
    chosen = [names[number % len(names)] for number in range(times)]
    return tuple(
        Call(f"call_{seed}{number}", name, json.dumps(_arguments(question.tools[name])))
        for number, name in enumerate(chosen)
    )


def _arguments(schema: Any) -> dict[str, Any]:
    """Arguments are an object, also of a tool that wants none."""
    made = instance(schema)
    return made if isinstance(made, dict) else {}


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
