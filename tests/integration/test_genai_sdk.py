"""The official google-genai SDK of PyPI as a client of a real gateway: nothing warns (warnings are errors)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.integration.house import House, http
from tests.integration.test_openai_sdk import png

CHANNELS: dict[str, dict[str, Any]] = {
    "gemini": {
        "type": 24,
        "models": "gemini-2.5-flash,gemini-2.5-pro,text-embedding-ada-002",
        "model_mapping": '{"gemini-2.5-pro":"gemini-3-pro","text-embedding-ada-002":"gemini-embedding-001"}',
    },
    "openai": {"type": 1, "models": "gpt-4.1,text-embedding-3-large"},
    "anthropic": {
        "type": 14,
        "models": "claude-sonnet-4-20250514",
        "model_mapping": '{"claude-sonnet-4-20250514":"claude-sonnet-4-5"}',
    },
}
"""One channel for each form that the Sandbox speaks; models with prices, each served by one of them alone."""
MODELS = ["gemini-2.5-flash", "gemini-2.5-pro", "gpt-4.1", "claude-sonnet-4-20250514"]
SIGNERS = ["gemini-2.5-flash", "gemini-2.5-pro", "claude-sonnet-4-20250514"]
"""Whose vendors sign their thoughts."""
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather of a city",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
        )
    ]
)
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)


@pytest.fixture(scope="module")
def house(gateway: House) -> House:
    """The gateway with a channel for each form."""
    for name, fields in CHANNELS.items():
        gateway.add_channel(name=name, **fields)
    return gateway


@pytest.fixture(scope="module")
def key(house: House) -> str:
    """One key for all: the route that shows keys is limited."""
    return house.add_key()[1]


@pytest.fixture
def client(house: House, key: str) -> Iterator[genai.Client]:
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=house.base)) as made:
        yield made


def config(**fields: Any) -> types.GenerateContentConfig:
    fields.setdefault("automatic_function_calling", types.AutomaticFunctionCallingConfig(disable=True))
    fields.setdefault("max_output_tokens", 4096)
    return types.GenerateContentConfig(**fields)


def ask(client: genai.Client, model: str, contents: Any, **fields: Any) -> types.GenerateContentResponse:
    return client.models.generate_content(model=model, contents=contents, config=config(**fields))


def parts(response: types.GenerateContentResponse) -> list[types.Part]:
    """The parts of the first candidate."""
    assert response.candidates
    assert response.candidates[0].content
    return response.candidates[0].content.parts or []


def user(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


@pytest.mark.parametrize("model", MODELS)
def test_text_and_usage(client: genai.Client, model: str) -> None:
    answer = ask(client, model, "Hello", system_instruction="Be brief")
    assert answer.text == "The sandbox heard: Hello"
    assert answer.model_version == model
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count > 0


@pytest.mark.parametrize("model", MODELS)
def test_stream_and_whole_answer_agree(client: genai.Client, model: str) -> None:
    text = "Tell me of canals [[sandbox chunks=4 delay_ms=40]]"
    whole = ask(client, model, text)
    chunks = list(client.models.generate_content_stream(model=model, contents=text, config=config()))
    assert len(chunks) >= 4
    assert "".join(part.text or "" for chunk in chunks for part in parts(chunk)) == whole.text
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert {chunk.model_version for chunk in chunks} == {model}


@pytest.mark.parametrize("model", MODELS)
def test_stream_as_an_array(house: House, key: str, model: str) -> None:
    body = {"contents": [{"parts": [{"text": "Hi [[sandbox chunks=3]]"}]}]}
    url, headers = f"{house.base}/v1beta/models/{model}:streamGenerateContent", {"x-goog-api-key": key}
    made = http("POST", url, body, headers)
    assert made.headers["content-type"].startswith("application/json")
    told = [part for each in made.json() for part in each["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in told) == "The sandbox heard: Hi"
    failed = http("POST", url, {"contents": []}, headers)
    assert failed.status == 400
    assert failed.json()[0]["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tools_over_two_turns(client: genai.Client, model: str, streamed: bool) -> None:
    question = user("The weather? [[sandbox tool=weather calls=2]]")
    if streamed:
        chunks = client.models.generate_content_stream(model=model, contents=[question], config=config(tools=[WEATHER]))
        made = [part for chunk in chunks for part in parts(chunk)]
    else:
        made = parts(ask(client, model, [question], tools=[WEATHER]))
    calls = [part.function_call for part in made if part.function_call]
    assert [call.name for call in calls] == ["weather"] * 2
    assert calls[0].id != calls[1].id
    results = [
        types.Part(
            function_response=types.FunctionResponse(id=calls[0].id, name="weather", response={"output": "sun"})
        ),
        types.Part(
            function_response=types.FunctionResponse(id=calls[1].id, name="weather", response={"output": "rain"})
        ),
    ]
    history = [question, types.Content(role="model", parts=made), types.Content(role="user", parts=results)]
    second = ask(client, model, history, tools=[WEATHER])
    assert "sun" in second.text
    assert "rain" in second.text


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_thoughts_over_two_turns(client: genai.Client, model: str, streamed: bool) -> None:
    question = user("The weather? [[sandbox tool=weather thinking chunks=5]]")
    asked = config(tools=[WEATHER], thinking_config=THINKING)
    if streamed:
        chunks = client.models.generate_content_stream(model=model, contents=[question], config=asked)
        made = [part for chunk in chunks for part in parts(chunk)]
    else:
        made = parts(client.models.generate_content(model=model, contents=[question], config=asked))
    assert any(part.thought and part.text for part in made)
    assert any(part.thought_signature for part in made) is (model in SIGNERS)
    call = next(part.function_call for part in made if part.function_call)
    result = types.FunctionResponse(id=call.id, name="weather", response={"output": "sunny"})
    history = [
        question,
        types.Content(role="model", parts=made),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]
    second = client.models.generate_content(model=model, contents=history, config=asked)
    assert "sunny" in second.text


@pytest.mark.parametrize("model", MODELS)
def test_chat_with_a_python_function(client: genai.Client, model: str) -> None:
    """The SDK calls the function itself, and keeps the history it needs."""

    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    chat = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[weather], max_output_tokens=4096))
    answer = chat.send_message("The weather? [[sandbox tool=weather]]")
    assert "sunny in" in (answer.text or "")
    assert len(chat.get_history(curated=True)) >= 4
    for _ in chat.send_message_stream("Thanks"):
        pass
    assert chat.get_history(curated=True)[-1].role == "model"


@pytest.mark.parametrize("model", MODELS)
def test_picture(client: genai.Client, model: str) -> None:
    picture = types.Part.from_bytes(data=png(), mime_type="image/png")
    answer = ask(client, model, [types.Part(text="What is this?"), picture])
    assert "1 image" in answer.text.lower()


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("as_json_schema", [False, True])
def test_structured_output(client: genai.Client, model: str, as_json_schema: bool) -> None:
    schema: dict[str, Any] = (
        {"response_json_schema": City.model_json_schema()} if as_json_schema else {"response_schema": City}
    )
    answer = ask(client, model, "A city", response_mime_type="application/json", **schema)
    City.model_validate_json(answer.text)
    if not as_json_schema:
        assert isinstance(answer.parsed, City)


@pytest.mark.parametrize("model", MODELS)
def test_length_stop(client: genai.Client, model: str) -> None:
    answer = ask(client, model, "Tell me of canals, at length [[sandbox tokens=50]]", max_output_tokens=5)
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("model", MODELS)
def test_an_error_inside_the_stream(client: genai.Client, model: str) -> None:
    stream = client.models.generate_content_stream(
        model=model, contents="Hi [[sandbox chunks=6 delay_ms=100 error_in_stream]]", config=config()
    )
    first = next(stream)
    assert parts(first)[0].text
    with pytest.raises(errors.APIError) as failed:
        list(stream)
    assert "request id" in failed.value.message


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("model", MODELS)
def test_errors_before_the_answer(client: genai.Client, model: str, status: int) -> None:
    asked = f"Hi [[sandbox status={status}]]"
    with pytest.raises(errors.APIError) as whole:
        ask(client, model, asked)
    assert whole.value.code == status
    with pytest.raises(errors.APIError) as streamed:
        list(client.models.generate_content_stream(model=model, contents=asked, config=config()))
    assert streamed.value.code == status


def test_errors(client: genai.Client, house: House) -> None:
    with pytest.raises(errors.ClientError) as unknown:
        ask(client, "no-such", "Hello")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError) as bad:
        ask(client, "gemini-2.5-flash", [types.Content(role="nobody", parts=[types.Part(text="x")])])
    assert (bad.value.code, bad.value.status) == (400, "INVALID_ARGUMENT")
    with pytest.raises(errors.ClientError) as limited:
        ask(client, "gemini-2.5-flash", "Hi [[sandbox status=429 retry_after=7]]")
    assert (limited.value.code, limited.value.status) == (429, "RESOURCE_EXHAUSTED")
    delays = [each["retryDelay"] for each in limited.value.details["error"]["details"] if "retryDelay" in each]
    assert delays == ["7s"]
    with genai.Client(api_key="sk-wrong", http_options=types.HttpOptions(base_url=house.base)) as stranger:
        with pytest.raises(errors.ClientError) as wrong:
            ask(stranger, "gemini-2.5-flash", "Hello")
        assert (wrong.value.code, wrong.value.status) == (401, "UNAUTHENTICATED")
    missing = http("POST", house.base + "/v1beta/models/gemini-2.5-flash:noSuchMethod", {}, {"x-goog-api-key": "k"})
    assert missing.json()["error"]["status"] == "NOT_FOUND"


def test_a_blocked_prompt(client: genai.Client) -> None:
    blocked = ask(client, "gemini-2.5-flash", "Hi [[sandbox refuse]]")
    assert blocked.prompt_feedback.block_reason
    assert not blocked.candidates


@pytest.mark.parametrize("model", ["text-embedding-ada-002", "text-embedding-3-large"])
def test_embeddings(client: genai.Client, model: str) -> None:
    found = client.models.embed_content(
        model=model, contents=["one", "two"], config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert [len(each.values) for each in found.embeddings] == [8, 8]
    assert found.embeddings[0].values != found.embeddings[1].values


@pytest.mark.parametrize("model", ["text-embedding-ada-002", "text-embedding-3-large"])
def test_a_single_embedding(house: House, key: str, model: str) -> None:
    body = {"content": {"parts": [{"text": "one"}]}, "outputDimensionality": 8}
    answer = http("POST", f"{house.base}/v1beta/models/{model}:embedContent?key={key}", body).json()
    assert len(answer["embedding"]["values"]) == 8


@pytest.mark.parametrize("model", MODELS)
def test_count_tokens(client: genai.Client, house: House, key: str, model: str) -> None:
    short = client.models.count_tokens(model=model, contents="Hello").total_tokens
    long = client.models.count_tokens(model=model, contents="Hello, how are you today? " * 9).total_tokens
    assert 0 < short < long
    turn = {"model": f"models/{model}", "contents": [{"parts": [{"text": "Hello"}]}], "tools": []}
    url = f"{house.base}/v1beta/models/{model}:countTokens"
    assert http("POST", url, {"generateContentRequest": turn}, {"x-goog-api-key": key}).json()["totalTokens"] == short


def test_models(client: genai.Client, house: House, key: str) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 2})]
    assert {f"models/{model}" for model in MODELS} <= set(names)
    assert names == sorted(set(names))
    one = client.models.get(model="gemini-2.5-flash")
    assert one.name == "models/gemini-2.5-flash"
    assert "generateContent" in one.supported_actions
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=house.base, api_version="v1")) as released:
        assert ask(released, "gemini-2.5-flash", "Hello").text
        assert "models/gemini-2.5-flash" in [model.name for model in released.models.list()]
