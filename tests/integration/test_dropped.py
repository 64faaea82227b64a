"""What a conversion cannot hold: named in the header X-Isthmus-Dropped and in the receipt, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import House, house, http

FORMS = {"openai": (1, "gpt-4o"), "anthropic": (14, "claude-haiku-4-5"), "gemini": (24, "gemini-2.5-flash"),
         "chat": (40, "deepseek-reasoner")}  # fmt: skip
"""Form -> the channel's type and its model; chat is OpenAI's form without Responses."""
MARKED = [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]
SAFETY = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": MARKED}], "max_tokens": 99}
GEMINI: dict[str, Any] = {"contents": CONTENTS, "safetySettings": SAFETY, "generationConfig": {"seed": 5, "topK": 9}}
RESPONSES: dict[str, Any] = {"input": "Hello", "truncation": "auto", "prompt_cache_key": "k", "max_output_tokens": 99}
CASES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    # client, the vendor's form, what is asked, what has no place there
    ("openai", "anthropic", {**CHAT, "logit_bias": {"5": 1}, "seed": 7}, ["sampling.seed", "sampling.logit_bias"]),
    ("openai", "gemini", {**CHAT, "logit_bias": {"5": 1}, "seed": 7}, ["sampling.logit_bias"]),
    ("responses", "chat", RESPONSES, ["state.truncation"]),
    ("responses", "anthropic", RESPONSES, ["caching.key", "state.truncation"]),
    ("responses", "gemini", RESPONSES, ["caching.key", "state.truncation"]),
    ("anthropic", "openai", {**MESSAGES, "top_k": 5}, ["parts.cache_mark", "sampling.top_k"]),
    ("anthropic", "gemini", {**MESSAGES, "top_k": 5}, ["parts.cache_mark"]),
    ("gemini", "openai", GEMINI, ["sampling.top_k", "safety"]),
    ("gemini", "anthropic", GEMINI, ["sampling.seed", "safety"]),
    # Nothing is dropped where the form is the client's own.
    ("openai", "openai", {**CHAT, "logit_bias": {"5": 1}, "seed": 7}, []),
    ("responses", "openai", RESPONSES, []),
    ("anthropic", "anthropic", {**MESSAGES, "top_k": 5}, []),
    ("gemini", "gemini", GEMINI, []),
]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("dropped")) as made:
        made.option("SelfUseModeEnabled", "true")
        for number, model in FORMS.values():
            made.add_channel(type=number, models=model)
        yield made


@pytest.fixture(scope="module")
def key(gate: House) -> str:
    return gate.add_key()[1]


def path(client: str, model: str, streamed: bool) -> str:
    """Where a dialect is asked."""
    if client == "gemini":
        return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if streamed else "generateContent")
    return {"openai": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages"}[client]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("client", "form", "asked", "dropped"), CASES)
def test_what_has_no_place_is_named(
    gate: House, key: str, client: str, form: str, asked: dict[str, Any], dropped: list[str], streamed: bool
) -> None:
    model = FORMS[form][1]
    body = asked if client == "gemini" else {**asked, "model": model, "stream": streamed}
    headers = {"Authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    answer = http("POST", gate.base + path(client, model, streamed), body, headers)
    assert answer.status == 200, answer.body
    told = answer.headers.get("x-isthmus-dropped")
    assert (told.split(", ") if told is not None else []) == dropped
    receipt = gate.line(answer.headers["x-request-id"])["receipt"]
    assert receipt["dropped"] == dropped
