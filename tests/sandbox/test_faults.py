"""Every word of docs/sandbox.md in every wire form, seen by a client that hides nothing."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from front.sandbox.controls import Controls
from tests.sandbox.raw import Seen, exchange

QUESTION = "Tell me of canals"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


@dataclass(frozen=True)
class Case:
    """One way to ask. body takes the text; array: the stream is no server-sent events but one JSON array."""

    name: str
    path: str
    body: Callable[[str], dict[str, Any]]
    stream: bool = False
    chats: bool = True
    array: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name


def chat(text: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "tools": tools}


def responses(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": text, "tools": [{"type": "function", "name": "weather", "parameters": TOOL}]}


def messages(text: str) -> dict[str, Any]:
    tools = [{"name": "weather", "input_schema": TOOL}]
    return {"model": "c", "max_tokens": 1000, "messages": [{"role": "user", "content": text}], "tools": tools}


def gemini(text: str) -> dict[str, Any]:
    tools = [{"functionDeclarations": [{"name": "weather", "parameters": TOOL}]}]
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "tools": tools}


def streamed(made: Callable[[str], dict[str, Any]], **more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda text: {**made(text), "stream": True, **more}


ANTHROPIC = (("x-api-key", "k"), ("anthropic-version", "2023-06-01"))
GOOGLE = (("x-goog-api-key", "k"),)
MODELS = "/v1beta/models/gemini-2.5-flash"
CASES = [
    Case("chat", "/v1/chat/completions", chat),
    Case("chat stream", "/v1/chat/completions", streamed(chat, stream_options={"include_usage": True}), stream=True),
    Case("responses", "/v1/responses", responses),
    Case("responses stream", "/v1/responses", streamed(responses), stream=True),
    Case("anthropic", "/v1/messages", messages, headers=ANTHROPIC),
    Case("anthropic stream", "/v1/messages", streamed(messages), stream=True, headers=ANTHROPIC),
    Case("gemini", f"{MODELS}:generateContent", gemini, headers=GOOGLE),
    Case("gemini stream", f"{MODELS}:streamGenerateContent?alt=sse", gemini, stream=True, headers=GOOGLE),
    Case("gemini array", f"{MODELS}:streamGenerateContent", gemini, stream=True, array=True, headers=GOOGLE),
    Case("embeddings", "/v1/embeddings", lambda text: {"model": "e", "input": text}, chats=False),
    Case(
        "gemini embeddings", f"{MODELS}:embedContent", lambda text: {"content": {"parts": [{"text": text}]}},
        chats=False, headers=GOOGLE,
    ),
    Case("cohere", "/v2/rerank", lambda text: {"model": "r", "query": text, "documents": ["canals", "b"]}, chats=False),
    Case("jina", "/v1/rerank", lambda text: {"model": "jina-r", "query": text, "documents": ["canals", "b"]}, chats=False),
]  # fmt: skip


def ask(sandbox: str, case: Case, orders: str, wait: float = 30.0, *, header: bool = False) -> Seen:
    """The answer under these orders, in the text or in the header."""
    text = QUESTION if header else f"{QUESTION} [[sandbox {orders}]]"
    headers = {**dict(case.headers), "Content-Type": "application/json", **({"x-sandbox": orders} if header else {})}
    return exchange(sandbox, case.path, json.dumps(case.body(text)).encode(), headers, wait)


def bodies(case: Case, seen: Seen) -> list[Any]:
    """The JSON of an answer: of each event, of each element, or of the whole."""
    if not case.stream:
        return [seen.json()]
    if case.array:
        return list(seen.json())
    return [json.loads(event) for event in seen.events() if event != b"[DONE]"]


def found(value: Any, name: str) -> list[Any]:
    """Every member of this name, however deep."""
    if isinstance(value, list):
        return [each for item in value for each in found(item, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [each for item in value.values() for each in found(item, name)]


def good(case: Case, seen: Seen) -> None:
    """An answer without a fault."""
    assert (seen.status, seen.end) == (200, "complete")
    assert bodies(case, seen)


def is_error(case: Case, body: Any, status: int) -> None:
    """The form's own envelope."""
    if "gemini" in case.name:
        body = body[0] if isinstance(body, list) else body
        assert body["error"]["code"] == status
        assert re.fullmatch("[A-Z_]+", body["error"]["status"])
    elif "anthropic" in case.name:
        assert body["type"] == "error"
        assert body["error"]["message"]
        assert body["error"]["type"].endswith("_error")
    elif case.name in ("cohere", "jina"):
        assert body["message"]
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}


def told(case: Case, seen: Seen, *names: str) -> int:
    """The last number told under one of these names."""
    return int([each for name in names for each in found(bodies(case, seen), name) if each is not None][-1])


OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount")
INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "total_tokens", "search_units")
Check = Callable[[str, Case], None]


def check_status(sandbox: str, case: Case) -> None:
    for header in (False, True):
        seen = ask(sandbox, case, "status=429 retry_after=7", header=header)
        assert (seen.status, seen.headers["retry-after"], seen.end) == (429, "7", "complete")
        is_error(case, seen.json(), 429)
    is_error(case, ask(sandbox, case, "status=503").json(), 503)


def check_first_byte(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "first_byte_ms=200")
    good(case, seen)
    assert seen.first_byte >= 0.2


def check_hang(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "hang", wait=0.4)
    assert (seen.end, seen.status) == ("open", 0)


def check_reset(sandbox: str, case: Case) -> None:
    assert ask(sandbox, case, "reset").end == "none"


def check_cut(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "cut_after=2")
    assert (seen.status, seen.end) == (200, "cut")
    if case.stream:
        assert len(seen.chunks) == 2
    else:
        assert 0 < len(seen.body) < int(seen.headers["content-length"])


def check_error_in_stream(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "error_in_stream", header=True)
    good(case, seen)
    if not case.stream:
        assert bodies(case, seen) == bodies(case, ask(sandbox, case, "", header=True))
    elif "responses" in case.name:
        assert bodies(case, seen)[-1]["type"] == "response.failed"
    else:
        is_error(case, bodies(case, seen)[-1], 503)
        assert b"[DONE]" not in seen.body


def check_broken_json(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "broken_json")
    assert (seen.status, seen.end) == (200, "complete")
    if case.stream and not case.array:
        read = []
        for event in seen.events():
            try:
                read.append(json.loads(event) is not None)
            except ValueError:
                read.append(event == b"[DONE]")
        assert read.count(False) == 1
        assert len(read) > 2
    else:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
            seen.json()


def check_html(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "html")
    assert (seen.headers["content-type"], seen.body[:6], seen.end) == ("text/html", b"<html>", "complete")


def check_gzip(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "gzip_garbage")
    assert seen.headers["content-encoding"] == "gzip"
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(seen.body)


def check_endless(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "endless_line")
    assert (seen.end, seen.status) == ("open", 200)
    assert len(seen.body) > 3_000_000
    assert b"\n" not in seen.body


def check_one_byte(sandbox: str, case: Case) -> None:
    seen, whole = ask(sandbox, case, "one_byte", header=True), ask(sandbox, case, "", header=True)
    good(case, seen)
    assert seen.body == whole.body
    if case.stream:
        assert {len(chunk) for chunk in seen.chunks} == {1}


def check_content_type(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "content_type=text/odd")
    good(case, seen)
    assert seen.headers["content-type"] == "text/odd"


def check_no_usage(sandbox: str, case: Case) -> None:
    for orders, there in (("no_usage", False), ("", True)):
        made = bodies(case, ask(sandbox, case, orders))
        numbers = [each for name in (*OUTPUT, *INPUT) for each in found(made, name)]
        assert bool(numbers) == there


def check_usage_lie(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "usage_lie=77")
    good(case, seen)
    assert told(case, seen, *(OUTPUT if case.chats else INPUT)) == 77


FAULTS: dict[str, Check] = {
    "status": check_status,
    "retry_after": check_status,
    "first_byte_ms": check_first_byte,
    "hang": check_hang,
    "reset": check_reset,
    "cut_after": check_cut,
    "error_in_stream": check_error_in_stream,
    "broken_json": check_broken_json,
    "html": check_html,
    "gzip_garbage": check_gzip,
    "endless_line": check_endless,
    "one_byte": check_one_byte,
    "content_type": check_content_type,
    "no_usage": check_no_usage,
    "usage_lie": check_usage_lie,
}


def texts(case: Case, seen: Seen) -> list[str]:
    """The pieces of the answer's text."""
    made = bodies(case, seen)
    if not case.stream:
        name = {"chat": "content", "gemini": "text", "anthropic": "text", "responses": "text"}[case.name.split()[0]]
        return [each for each in found(made, name) if isinstance(each, str)]
    if "responses" in case.name:
        return [body["delta"] for body in made if body["type"] == "response.output_text.delta"]
    if "anthropic" in case.name:
        return [body["delta"]["text"] for body in made if body["type"] == "content_block_delta"]
    return [
        each for each in found(made, "content" if "chat" in case.name else "text") if isinstance(each, str) and each
    ]


def check_chunks(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "chunks=3")
    good(case, seen)
    assert len(texts(case, seen)) == (3 if case.stream else 1)
    assert "".join(texts(case, seen)) == f"The sandbox heard: {QUESTION}"


def check_delay(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "chunks=3 delay_ms=60")
    good(case, seen)
    if case.stream:
        assert seen.seconds - seen.first_byte >= 0.1
        assert len(seen.chunks) > 2


def check_tokens(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "tokens=50")
    assert len("".join(texts(case, seen))) == 200
    assert told(case, seen, *OUTPUT) == 50


def check_calls(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "tool=weather calls=3 no_ids")
    good(case, seen)
    made = bodies(case, seen)
    if "responses" in case.name:
        items = [item for item in made[-1].get("response", made[-1])["output"] if item["type"] == "function_call"]
        assert len({item["call_id"] for item in items}) == 3
    else:
        assert found(made, "name").count("weather") == 3
    if "gemini" in case.name:
        assert not any(found(found(made, "functionCall"), "id"))
        assert (
            len(set(found(found(bodies(case, ask(sandbox, case, "tool=weather calls=3")), "functionCall"), "id"))) == 3
        )


def check_thinking(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "thinking chunks=1")
    good(case, seen)
    assert b"The sandbox thinks about the question." in seen.body
    assert told(case, seen, "reasoning_tokens", "thinking_tokens", "thoughtsTokenCount") == 10


def check_refuse(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "refuse")
    good(case, seen)
    sign = {
        "chat": b'"refusal":"',
        "responses": b'"type":"refusal"',
        "anthropic": b'"stop_reason":"refusal"',
        "gemini": b"PROHIBITED_CONTENT",
    }
    assert sign[case.name.split()[0]] in seen.body


def check_filter(sandbox: str, case: Case) -> None:
    seen = ask(sandbox, case, "filter")
    good(case, seen)
    sign = {
        "chat": b'"content_filter"',
        "responses": b'"content_filter"',
        "anthropic": b'"stop_reason":"refusal"',
        "gemini": b'"SAFETY"',
    }
    assert sign[case.name.split()[0]] in seen.body


def check_cache(sandbox: str, case: Case) -> None:
    seen, whole = ask(sandbox, case, "cached=2 cache_write=1"), ask(sandbox, case, "cached=0 cache_write=0")
    good(case, seen)
    assert told(case, seen, "cached_tokens", "cache_read_input_tokens", "cachedContentTokenCount") == 2
    if "gemini" not in case.name:
        assert told(case, seen, "cache_write_tokens", "cache_creation_input_tokens") == 1
    names = INPUT[:3]
    assert told(case, seen, *names) == told(case, whole, *names) - (3 if "anthropic" in case.name else 0)


ANSWERS: dict[str, Check] = {
    "chunks": check_chunks,
    "delay_ms": check_delay,
    "tokens": check_tokens,
    "tool": check_calls,
    "calls": check_calls,
    "no_ids": check_calls,
    "thinking": check_thinking,
    "refuse": check_refuse,
    "filter": check_filter,
    "cached": check_cache,
    "cache_write": check_cache,
}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("word", FAULTS)
def test_fault(sandbox: str, word: str, case: Case) -> None:
    FAULTS[word](sandbox, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.chats], ids=str)
@pytest.mark.parametrize("word", ANSWERS)
def test_answer(sandbox: str, word: str, case: Case) -> None:
    ANSWERS[word](sandbox, case)


def test_every_word_is_tested_and_documented() -> None:
    words = {field.name for field in fields(Controls)}
    assert words == FAULTS.keys() | ANSWERS.keys()
    table = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    assert words == {match for match in re.findall(r"`([a-z_]+)(?:=[A-Z]+)?`", table) if match in words}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_key_a_bad_order_and_a_bad_body(sandbox: str, case: Case) -> None:
    headers = {**dict(case.headers), "Authorization": "Bearer sk-bad"}
    headers |= {name: "sk-bad" for name, _ in case.headers if name.endswith("key")}
    status = 400 if "gemini" in case.name else 401
    refused = exchange(sandbox, case.path, json.dumps(case.body("Hi")).encode(), headers)
    assert refused.status == status
    is_error(case, refused.json(), status)
    for orders in ("calls=many", "tokens=99999999999", "status=200"):
        seen = ask(sandbox, case, orders, header=True)
        assert seen.status == 400
        is_error(case, seen.json(), 400)
    for body in (b"{", b"[]", b"7", b'"x"', b"\xff\xfe", b"{}", b"[" * 200_000, b'{"model":NaN}'):
        seen = exchange(sandbox, case.path, body, dict(case.headers))
        assert (seen.status, seen.end) == (400, "complete"), body[:20]
        is_error(case, seen.json(), 400)
