"""Gemini's form, by the official SDK directly at the Sandbox: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.integration.house import http
from tests.integration.test_openai_sdk import png

MODEL = "gemini-2.5-flash"
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather of a city",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
        )
    ]
)
THINKING = types.ThinkingConfig(include_thoughts=True)


@pytest.fixture
def client(sandbox: str) -> Iterator[genai.Client]:
    with genai.Client(api_key="sandbox-key", http_options=types.HttpOptions(base_url=sandbox)) as made:
        yield made


def ask(client: genai.Client, contents: Any, model: str = MODEL, **config: Any) -> types.GenerateContentResponse:
    config.setdefault("automatic_function_calling", types.AutomaticFunctionCallingConfig(disable=True))
    return client.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))


def parts(response: types.GenerateContentResponse) -> list[types.Part]:
    assert response.candidates
    assert response.candidates[0].content
    return response.candidates[0].content.parts or []


def test_text_and_usage(client: genai.Client) -> None:
    answer = ask(client, "Hello", system_instruction="Be brief")
    assert answer.text == "The sandbox heard: Hello"
    assert answer.model_version == MODEL
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (4, 6, 10)
    assert client.models.count_tokens(model=MODEL, contents="Hello").total_tokens == 2


@pytest.mark.parametrize(
    "orders", ["", "chunks=3", "thinking", "tool=weather calls=2", "tool=weather thinking", "filter", "cached=3"]
)
def test_stream_and_whole_answer_agree(client: genai.Client, orders: str) -> None:
    text = f"Tell me of canals [[sandbox {orders}]]"
    whole = ask(client, text, tools=[WEATHER])
    config = types.GenerateContentConfig(
        tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=text, config=config))
    streamed = [part for chunk in chunks for part in parts(chunk)]

    def texts(thought: bool | None) -> tuple[str, str]:
        of = [[p.text or "" for p in each if p.thought is thought] for each in (parts(whole), streamed)]
        return "".join(of[0]), "".join(of[1])

    for thought in (None, True):
        assert len(set(texts(thought))) == 1
    assert [p.function_call for p in parts(whole) if p.function_call] == [
        p.function_call for p in streamed if p.function_call
    ]
    signed = [[p.thought_signature for p in each if p.thought_signature] for each in (parts(whole), streamed)]
    assert signed[0] == signed[1]
    assert bool(signed[0]) == ("thinking" in orders)
    assert chunks[-1].candidates[0].finish_reason == whole.candidates[0].finish_reason
    assert chunks[-1].usage_metadata == whole.usage_metadata


def test_stream_as_an_array(sandbox: str) -> None:
    body = {"contents": [{"parts": [{"text": "Hi [[sandbox chunks=3]]"}]}]}
    url, key = f"{sandbox}/v1beta/models/{MODEL}:streamGenerateContent", {"x-goog-api-key": "k"}
    made = http("POST", url, body, key)
    assert made.headers["content-type"] == "application/json"
    texts = [each["candidates"][0]["content"]["parts"][0]["text"] for each in made.json()]
    assert len(texts) == 3
    assert "".join(texts) == "The sandbox heard: Hi"
    failed = http("POST", url, {"contents": []}, key).json()
    assert failed[0]["error"]["status"] == "INVALID_ARGUMENT"


def test_parallel_tools_and_their_results(client: genai.Client) -> None:
    question = types.Content(role="user", parts=[types.Part(text="The weather? [[sandbox tool=weather calls=2]]")])
    first = ask(client, [question], tools=[WEATHER])
    calls = [part.function_call for part in parts(first)]
    assert [call.args for call in calls] == [{"city": "sandbox"}] * 2
    assert calls[0].id
    assert calls[0].id != calls[1].id
    results = [
        types.Part(
            function_response=types.FunctionResponse(id=calls[0].id, name="weather", response={"output": "sunny"})
        ),
        types.Part(
            function_response=types.FunctionResponse(id=calls[1].id, name="weather", response={"error": "no such city"})
        ),
    ]
    history = [question, first.candidates[0].content, types.Content(role="user", parts=results)]
    assert ask(client, history, tools=[WEATHER]).text.endswith("sunny; error: no such city")
    history[-1] = types.Content(role="user", parts=results[:1])
    with pytest.raises(errors.ClientError, match="number of function response parts"):
        ask(client, history, tools=[WEATHER])


@pytest.mark.parametrize("model", ["gemini-3-flash", MODEL])
def test_signed_calls_over_two_turns(client: genai.Client, model: str) -> None:
    question = types.Content(role="user", parts=[types.Part(text="The weather? [[sandbox tool=weather calls=2]]")])
    first = ask(client, [question], model, tools=[WEATHER], thinking_config=THINKING)
    made = parts(first)
    assert [bool(part.thought_signature) for part in made] == [True, True, False]
    result = types.Part(function_response=types.FunctionResponse(name="weather", response={"result": "sunny"}))

    def second(*content: types.Part) -> str:
        history = [
            question,
            types.Content(role="model", parts=list(content)),
            types.Content(role="user", parts=[result] * 2),
        ]
        return str(ask(client, history, model, tools=[WEATHER]).text)

    assert "sunny" in second(*made)
    call = made[1]
    broken = call.thought_signature[:-1] + bytes([call.thought_signature[-1] ^ 1])
    other = types.FunctionCall(name="weather", args={"city": "elsewhere"})
    for changed in (
        call.model_copy(update={"thought_signature": broken}),
        call.model_copy(update={"function_call": other}),
        call.model_copy(update={"thought_signature": call.thought_signature[:9]}),
    ):
        with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
            second(changed, made[2])
    with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
        second(made[0].model_copy(update={"text": "Another thought"}), call, made[2])
    bare = call.model_copy(update={"thought_signature": None})
    if model == MODEL:
        assert second(bare, made[2])
        return
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        second(bare, made[2])
    assert second(call.model_copy(update={"thought_signature": b"skip_thought_signature_validator"}), made[2])


def test_a_signed_text_streamed_and_sent_back(client: genai.Client) -> None:
    config = types.GenerateContentConfig(thinking_config=THINKING)
    chat = client.chats.create(model=MODEL, config=config)
    chunks = list(chat.send_message_stream("Think"))
    assert chunks[-1].candidates[0].content.parts[0].thought_signature
    assert chat.send_message("Go on").text == "The sandbox heard: Go on"
    thoughts = chunks[-1].usage_metadata.thoughts_token_count
    assert (thoughts, chunks[-1].usage_metadata.candidates_token_count) == (10, 6)


def test_pictures(client: genai.Client) -> None:
    answer = ask(client, ["See", types.Part.from_bytes(data=png(), mime_type="image/png")])
    assert answer.text == f"The sandbox heard: See There were 1 image of {len(png())} bytes."
    details = {each.modality: each.token_count for each in answer.usage_metadata.prompt_tokens_details}
    assert details == {types.MediaModality.TEXT: 1, types.MediaModality.IMAGE: 85}


def test_structured_output(client: genai.Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    for form in ({"response_json_schema": schema}, {"response_schema": schema}):
        answer = ask(client, "A number", response_mime_type="application/json", **form)
        assert json.loads(answer.text) == {"n": 3}
    assert json.loads(ask(client, "A", response_mime_type="application/json").text) == {"echo": "A"}


def test_ends(client: genai.Client) -> None:
    short = ask(client, "Hello", max_output_tokens=2)
    assert (short.text, short.candidates[0].finish_reason) == ("The sand", types.FinishReason.MAX_TOKENS)
    assert ask(client, "Hello", stop_sequences=[" heard"]).text == "The sandbox"
    assert ask(client, "[[sandbox filter]]").candidates[0].finish_reason == types.FinishReason.SAFETY
    refused = ask(client, "[[sandbox refuse]]")
    assert refused.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert len(ask(client, "Hello", candidate_count=2).candidates) == 2
    hidden = ask(client, "Hello", thinking_config=types.ThinkingConfig(thinking_budget=100))
    assert hidden.usage_metadata.thoughts_token_count == 10
    assert not any(part.thought for part in parts(hidden))


def test_embeddings_and_models(client: genai.Client) -> None:
    made = client.models.embed_content(
        model="text-embedding-004", contents=["a", "b"], config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert [len(each.values) for each in made.embeddings] == [8, 8]
    assert made.embeddings[0].values != made.embeddings[1].values
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"
    assert f"models/{MODEL}" in [model.name for model in client.models.list()]


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE")],
)
def test_errors(client: genai.Client, status: int, word: str) -> None:
    with pytest.raises(errors.APIError) as raised:
        ask(client, f"[[sandbox status={status} retry_after=1]]")
    assert (raised.value.code, raised.value.status) == (status, word)
    assert raised.value.details["error"]["details"][0]["retryDelay"] == "1s"


def body(**more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **more}


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "contents is not specified"),
    (body(contents=[{"role": "assistant", "parts": [{"text": "x"}]}]), "valid role"),
    (body(contents=[{"parts": []}]), "must not be empty"),
    (body(contents=[{"parts": [{}]}]), "oneof field"),
    (body(contents=[{"parts": [{"inlineData": {"data": ""}}]}]), "inline_data"),
    (body(contents=[{"parts": [{"text": "x", "thoughtSignature": ""}]}]), "Corrupted"),
    (body(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"$schema": "x"}}]}]), 'Unknown name "$schema"'),
    (body(tools=[{"functionDeclarations": [{"name": ""}]}]), "name is required"),
    (body(generationConfig={"stopSequences": list("abcdef")}), "at most 5"),
    (body(generationConfig={"maxOutputTokens": "x"}), "maxOutputTokens"),
    (body(generationConfig=7), "cannot be read"),
]


@pytest.mark.parametrize(("sent", "words"), BAD)
def test_bad_requests(sandbox: str, sent: dict[str, Any], words: str) -> None:
    reply = http("POST", f"{sandbox}/v1beta/models/{MODEL}:generateContent", sent, {"x-goog-api-key": "k"})
    assert (reply.status, reply.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in reply.json()["error"]["message"]


def test_who_asks_and_where(sandbox: str) -> None:
    url = f"/models/{MODEL}:generateContent"
    assert http("POST", f"{sandbox}/v1beta{url}", body()).json()["error"]["status"] == "PERMISSION_DENIED"
    bad = http("POST", f"{sandbox}/v1beta{url}?key=sk-bad", body())
    assert (bad.status, bad.json()["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    assert http("POST", f"{sandbox}/v1{url}?key=k", body()).status == 200
    assert http("GET", f"{sandbox}/v1/models?key=k").json()["models"]
    assert http("POST", f"{sandbox}/v1beta/models/{MODEL}:sing?key=k", body()).json()["error"]["status"] == "NOT_FOUND"
    snake = {
        "contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": base64.b64encode(png()).decode()}}]}]
    }
    answer = http(
        "POST", f"{sandbox}/v1beta{url}?key=k", {**snake, "generation_config": {"max_output_tokens": 1}}
    ).json()
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
