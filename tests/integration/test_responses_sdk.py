"""The openai SDK's Responses against a real gateway, over channels of every form: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from core.vendors.registry import ALL
from tests.integration.house import House, http
from tests.integration.test_openai_sdk import png

FORMS = {
    # form -> the channel's type, and a model that only this channel serves
    "openai.responses": (1000, "gpt-4.1"),
    "openai.chat": (40, "deepseek-reasoner"),
    "anthropic.messages": (14, "gpt-4.1-nano"),
    "gemini.generate": (24, "gemini-2.5-flash"),
}
MAPPING = {"anthropic.messages": '{"gpt-4.1-nano": "claude-opus-4-6"}'}
"""What a model can do goes by its own name."""
SPOKEN = [form for form, (number, _) in FORMS.items() if ALL[number].chat]
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
numbers = itertools.count()


@pytest.fixture(scope="module")
def channels(gateway: House) -> None:
    """A channel for each form, all of them to the same Sandbox."""
    for form in SPOKEN:
        number, model = FORMS[form]
        gateway.add_channel(type=number, name=form, models=model, model_mapping=MAPPING.get(form, ""))


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    """One key for all: showing a key's secret is limited by address."""
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.fixture
def client(gateway: House, key: str, channels: None) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


@pytest.fixture(params=SPOKEN)
def model(request: pytest.FixtureRequest) -> str:
    return FORMS[request.param][1]


def test_every_form_is_tried() -> None:
    assert {"openai.responses", "openai.chat", "anthropic.messages"} <= set(SPOKEN)
    assert "openai.responses" in {form.name for form in ALL[1000].chat}
    assert "openai.responses" not in {form.name for number in (40, 14) for form in ALL[number].chat}


def test_text(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="Hello", instructions="Be brief.", max_output_tokens=500)
    assert answer.output_text
    assert answer.status == "completed"
    assert answer.model == model
    assert answer.id.startswith("resp_")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_stream_and_whole_answer_agree(client: openai.OpenAI, model: str) -> None:
    asked: Any = {"model": model, "input": "Tell me of canals", "max_output_tokens": 500}
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage == whole.usage
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [item.type for item in final.output] == [item.type for item in whole.output]


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_in_parallel_over_two_turns(client: openai.OpenAI, model: str, streamed: bool) -> None:
    said = {"role": "user", "content": f"[[sandbox tool=weather calls=2]] Weather? {next(numbers)}"}
    asked: Any = {"model": model, "tools": [TOOL], "max_output_tokens": 500, "store": False}
    if streamed:
        with client.responses.stream(**asked, input=[said]) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(**asked, input=[said])
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["weather", "weather"]
    assert len({call.call_id for call in calls}) == 2
    turn: list[Any] = [said, *(_sent_back(item) for item in first.output)]
    turn += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 31 degrees"} for call in calls]
    second = client.responses.create(**asked, input=turn)
    assert "sunny, 31 degrees" in second.output_text


def _sent_back(item: Any) -> dict[str, Any]:
    """An item as a client sends it back."""
    sent: dict[str, Any] = item.to_dict()
    sent.pop("parsed_arguments", None)
    for piece in sent.get("content") or ():
        piece.pop("parsed", None)
    return sent


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_over_two_turns(client: openai.OpenAI, model: str, streamed: bool) -> None:
    """The Sandbox refuses thoughts whose signature or seal is not what it gave."""
    said = {"role": "user", "content": f"[[sandbox thinking tool=weather]] Weather? {next(numbers)}"}
    asked: Any = {
        "model": model,
        "tools": [TOOL],
        "max_output_tokens": 4000,
        "store": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    if streamed:
        with client.responses.stream(**asked, input=[said]) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(**asked, input=[said])
    assert first.output[0].type == "reasoning"
    assert "".join(piece.text for piece in first.output[0].summary)
    assert first.output[0].encrypted_content
    assert first.usage.output_tokens_details.reasoning_tokens > 0 or model == FORMS["anthropic.messages"][1]
    call = next(item for item in first.output if item.type == "function_call")
    turn: list[Any] = [said, *(_sent_back(item) for item in first.output)]
    turn.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = client.responses.create(**asked, input=turn)
    assert second.status == "completed"
    assert "sunny" in second.output_text


def test_a_conversation_moves_between_vendors(client: openai.OpenAI) -> None:
    """Thoughts that one vendor signed are no trouble to another."""
    for first, second in itertools.permutations(SPOKEN, 2):
        said: list[Any] = [{"role": "user", "content": f"[[sandbox thinking]] Hello {next(numbers)}"}]
        asked: Any = {"max_output_tokens": 4000, "store": False, "reasoning": {"effort": "low", "summary": "auto"}}
        asked["include"] = ["reasoning.encrypted_content"]
        answer = client.responses.create(model=FORMS[first][1], input=said, **asked)
        said += [_sent_back(item) for item in answer.output]
        said.append({"role": "user", "content": "And now?"})
        if (first, second) == ("openai.responses", "openai.responses"):
            continue
        other = client.responses.create(model=FORMS[second][1], input=said, **asked)
        assert other.output_text, (first, second)


def test_pictures(client: openai.OpenAI, model: str) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content: Any = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    answer = client.responses.create(model=model, input=[{"role": "user", "content": content}], max_output_tokens=500)
    assert "1 image" in answer.output_text.lower()


class City(BaseModel):
    name: str
    people: int


def test_structured_output(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.parse(model=model, input="A city", text_format=City, max_output_tokens=500)
    assert isinstance(answer.output_parsed, City)
    with client.responses.stream(model=model, input="A city", text_format=City, max_output_tokens=500) as stream:
        assert stream.get_final_response().output_parsed == answer.output_parsed


def test_length_stop(client: openai.OpenAI, model: str) -> None:
    asked: Any = {"model": model, "input": "[[sandbox tokens=200]] Go on", "max_output_tokens": 16}
    answer = client.responses.create(**asked)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    last = list(client.responses.create(**asked, stream=True))[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == answer.output_text


def test_errors_before_the_stream(client: openai.OpenAI, model: str) -> None:
    for streamed in (False, True):
        with pytest.raises(openai.BadRequestError) as bad:
            client.responses.create(model=model, input="[[sandbox status=400]] x", stream=streamed)
        assert bad.value.request_id
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=model, input=5)  # type: ignore[call-overload]
    assert refused.value.param == "input"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.create(model=model, input="x")


def test_errors_inside_the_stream(client: openai.OpenAI, model: str) -> None:
    for words in ("error_in_stream", "cut_after=9"):
        asked = f"[[sandbox {words} chunks=20 delay_ms=20 tokens=100]] Go on"
        events = list(client.responses.create(model=model, input=asked, max_output_tokens=500, stream=True))
        kinds = [event.type for event in events]
        assert kinds[0] == "response.created"
        assert "response.output_text.delta" in kinds
        assert kinds[-2:] == ["error", "response.failed"] or kinds[-1] in ("error", "response.failed"), kinds[-3:]
        assert "response.completed" not in kinds
        assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_vendor_that_opens_and_breaks_has_answered_nothing(gateway: House, client: openai.OpenAI) -> None:
    """The opening events wait for what follows, so that the failure has a status, costs nothing, and may be retried."""
    header = '{"x-sandbox":"cut_after=2"}'
    made = [gateway.add_channel(type=1000, name="breaks", models="gpt-4", priority=9, header_override=header)]
    try:
        with pytest.raises(openai.InternalServerError) as broke:
            client.responses.create(model="gpt-4", input="Hello", stream=True)
        assert broke.value.status_code == 502
        made.append(gateway.add_channel(type=1000, name="works", models="gpt-4"))
        gateway.option("RetryTimes", "1")
        events = list(client.responses.create(model="gpt-4", input="Hello", stream=True))
    finally:
        gateway.option("RetryTimes", "0")
        for channel in made:
            gateway.manage("DELETE", f"/api/channel/{channel}")
    assert [event.type for event in events].count("response.created") == 1
    assert events[-1].type == "response.completed"


def test_what_only_the_vendor_holds_is_refused(client: openai.OpenAI, model: str) -> None:
    for more, param in (
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, "conversation"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "x"}]}, "input"),
    ):
        with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as refused:
            client.responses.create(model=model, **more)  # type: ignore[call-overload]
        if model != FORMS["openai.responses"][1]:
            assert refused.value.param == param
            assert refused.value.code == "unsupported_feature"


def test_free_form_tools(client: openai.OpenAI) -> None:
    """Where the vendor speaks chat: a tool of its own kind there, too."""
    tool: Any = {"type": "custom", "name": "shout", "description": "Shouts"}
    call = {"type": "custom_tool_call", "call_id": "call_1", "name": "shout", "input": "HEY"}
    output = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "done, loudly"}
    turn: Any = [{"role": "user", "content": "Shout"}, call, output]
    answer = client.responses.create(model=FORMS["openai.chat"][1], input=turn, tools=[tool])
    assert "done, loudly" in answer.output_text


def test_the_receipt_is_what_the_answer_told(gateway: House, client: openai.OpenAI, key: str, model: str) -> None:
    answer = client.responses.create(model=model, input="How much?", max_output_tokens=500)
    assert answer.usage is not None
    entry = gateway.line(answer._request_id or "")
    assert entry["prompt_tokens"] == answer.usage.input_tokens
    assert entry["completion_tokens"] == answer.usage.output_tokens


def test_errors_have_the_forms_envelope(gateway: House, channels: None) -> None:
    reply = http("POST", gateway.base + "/v1/responses", {"model": "gpt-4.1", "input": "x"})
    assert reply.status == 401
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
