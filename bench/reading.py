"""Whether an answer is whole: its text to the last word, its end mark, its vector's length."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bench import answers


class Incomplete(Exception):
    """An answer is not what it should be."""


def _data(body: bytes) -> list[bytes]:
    """The data of a stream's events, without comments."""
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [line[5:].strip() for line in lines if line.startswith(b"data:")]


def _openai_whole(body: bytes) -> tuple[str, bool]:
    choice = json.loads(body)["choices"][0]
    return choice["message"]["content"], choice["finish_reason"] == "stop"


def _openai_stream(body: bytes) -> tuple[str, bool]:
    told = _data(body)
    done = bool(told) and told[-1] == b"[DONE]"
    choices = [choice for event in told if event != b"[DONE]" for choice in json.loads(event).get("choices") or ()]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return text, done and any(choice.get("finish_reason") == "stop" for choice in choices)


def _anthropic_whole(body: bytes) -> tuple[str, bool]:
    answer = json.loads(body)
    return "".join(block["text"] for block in answer["content"]), answer["stop_reason"] == "end_turn"


def _anthropic_stream(body: bytes) -> tuple[str, bool]:
    told: list[dict[str, Any]] = [json.loads(event) for event in _data(body)]
    text = "".join(event["delta"].get("text", "") for event in told if event["type"] == "content_block_delta")
    return text, bool(told) and told[-1]["type"] == "message_stop"


_READERS: dict[tuple[str, bool], Callable[[bytes], tuple[str, bool]]] = {
    ("openai", False): _openai_whole,
    ("openai", True): _openai_stream,
    ("anthropic", False): _anthropic_whole,
    ("anthropic", True): _anthropic_stream,
}


def check(form: str, streamed: bool, body: bytes, expected: str) -> None:
    """Raises Incomplete where the answer does not hold the expected text and its end."""
    try:
        if form == "embedding":
            length = len(json.loads(body)["data"][0]["embedding"])
            if length != answers.DIMENSIONS:
                raise Incomplete(f"a vector of {length} numbers")
            return
        text, ended = _READERS[form, streamed](body)
    except (ValueError, LookupError, TypeError) as error:
        raise Incomplete(f"{error!r} in {body[:200]!r}") from error
    if text != expected:
        raise Incomplete(f"{len(text)} characters of {len(expected)}: {body[-200:]!r}")
    if not ended:
        raise Incomplete(f"no end: {body[-200:]!r}")
